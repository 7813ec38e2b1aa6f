#include "kernels/common/cpu_info.h"

#include <fstream>

#include "hwy/highway.h"
#if defined(ITO_HAVE_ONEDNN)
#include "kernels/common/onednn_call.h"
#endif

namespace ito {
namespace {

/// Value of the first line of /proc/cpuinfo that starts with `key`.
std::string cpuinfo_line(std::string_view key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const size_t colon = line.find(": ");
    return colon == std::string::npos ? "" : line.substr(colon + 2);
  }
  return {};
}

}  // namespace

CpuInfo cpu_info() {
  CpuInfo info;
  info.model = cpuinfo_line("model name");
  info.has_bf16 = (" " + cpuinfo_line("flags") + " ").find(" avx512_bf16 ") != std::string::npos;
  int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  for (; usable != 0; usable &= usable - 1) {  // lower bits are better targets
    info.targets.emplace_back(hwy::TargetName(usable & -usable));
  }
  return info;
}

std::string onednn_version() {
#if defined(ITO_HAVE_ONEDNN)
  const dnnl_version_t* v = dnnl_version();
  return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
#else
  return {};
#endif
}

}  // namespace ito
