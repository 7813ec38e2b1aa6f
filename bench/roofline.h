// What this machine can do at most, measured when the benchmarks start.
#pragma once

namespace ito::bench {

struct Ceilings {
  double copy_bytes = 0;  ///< bytes per second read plus written, main memory, all threads
  double flops = 0;  ///< fp32 fused multiply-adds from registers, two operations each, all threads
};

/// Takes about a second; the best of several runs.
Ceilings measure_ceilings();

}  // namespace ito::bench
