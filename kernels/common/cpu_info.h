// The processor, as far as kernels care.
#pragma once

#include <string>
#include <vector>

namespace ito {

struct CpuInfo {
  std::string model;                 ///< as the system names it; empty if it does not
  std::vector<std::string> targets;  ///< that kernels are built for and this CPU runs; best first
  bool has_bf16 = false;             ///< bf16 dot products in hardware, which oneDNN uses
};

CpuInfo cpu_info();

/// "2.6.3", or empty in a build without oneDNN.
std::string onednn_version();

}  // namespace ito
