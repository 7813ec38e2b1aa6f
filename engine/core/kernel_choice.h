// What MathMode::fast chose, and why.
#pragma once

#include <string>
#include <vector>

namespace ito {

/// Which kernel serves a call, and why; a run folder lists them.
struct KernelChoice {
  std::string call;    ///< op and sizes, or an op for all its calls
  std::string kernel;  ///< "direct" or "Winograd" on the CPU; "cuBLASLt", "cuDNN" or "own" on a GPU
  std::string reason;
};

/// Notes a choice; one that is listed already is replaced. Thread-safe.
void record_kernel_choice(KernelChoice choice);
/// In the order in which they were first made.
std::vector<KernelChoice> kernel_choices();

}  // namespace ito
