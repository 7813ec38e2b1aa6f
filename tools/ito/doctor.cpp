// ito doctor: what this machine offers, what is used of it, and why.
#include <sys/sysinfo.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <thread>

#include "engine/core/parallel.h"
#include "engine/core/version.h"
#include "engine/cuda/runtime.h"
#include "kernels/common/cpu_info.h"
#include "kernels/common/cublas.h"
#include "kernels/common/cudnn.h"
#include "kernels/common/op_table.h"
#include "tools/ito/commands.h"

namespace ito::tools {
namespace {

void line(const char* name, const std::string& text) {
  std::printf("%-9s %s\n", name, text.c_str());
}

std::string gibibytes(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", bytes / (1 << 30));
  return text;
}

std::string version_text(int cuda_version) {
  return std::to_string(cuda_version / 1000) + "." + std::to_string(cuda_version % 1000 / 10);
}

void describe_cpu() {
  const CpuInfo cpu = cpu_info();
  line("cpu", (cpu.model.empty() ? "unnamed" : cpu.model) + ", " +
                  std::to_string(std::thread::hardware_concurrency()) + " cores");
  std::string targets;
  for (const std::string& target : cpu.targets) targets += (targets.empty() ? "" : ", ") + target;
  line("vectors", cpu.targets.front() + " chosen, the best of: " + targets +
                      (cpu.has_bf16 ? "; bf16 products in hardware" : "; no bf16 in hardware"));
  struct sysinfo memory {};
  if (sysinfo(&memory) == 0) {
    const double unit = memory.mem_unit;
    line("memory", gibibytes(static_cast<double>(memory.totalram) * unit) + ", " +
                       gibibytes(static_cast<double>(memory.freeram) * unit) + " free");
  }
  line("threads", std::to_string(num_threads()) + " (--threads)");
  const std::string onednn = onednn_version();
  line("oneDNN", onednn.empty() ? "not in this build: convolutions take the portable path"
                                : onednn + ", for convolutions on the CPU");
}

void describe_gpus() {
  const cuda::Versions versions = cuda::versions();
  line("cuda", versions.runtime == 0
                   ? "not in this build"
                   : "runtime " + version_text(versions.runtime) + " in this build");
  line("driver", versions.driver == 0 ? "none" : "serves CUDA " + version_text(versions.driver));
  const int count = cuda::device_count();
  if (count == 0) line("gpu", "none usable: " + cuda::unavailable_reason());
  for (int i = 0; i < count; ++i) {
    const cuda::DeviceInfo d = cuda::runtime_of({DeviceKind::cuda, static_cast<int8_t>(i)}).info();
    line("gpu", "cuda:" + std::to_string(i) + " " + d.name + ", compute capability " +
                    std::to_string(d.compute_capability / 10) + "." +
                    std::to_string(d.compute_capability % 10) + ", " +
                    std::to_string(d.multiprocessors) + " multiprocessors, " +
                    gibibytes(static_cast<double>(d.total_bytes)) + ", " +
                    gibibytes(static_cast<double>(d.free_bytes)) + " free");
  }
  const auto library = [](const char* name, const LibraryState& state) {
    line(name, (state.usable ? "" : "not used: ") + state.text);
  };
  library("cuDNN", cudnn_state());
  library("cuBLASLt", cublaslt_state());
}

void describe_choice() {
  const bool gpu = cuda::device_count() > 0;
  line("device", gpu ? "cuda:0, since there is a usable GPU (--device cpu for the CPU)"
                     : "cpu, since there is no usable GPU");
  int emulated = 0, cuda = 0;
  for (const OpInfo* op : op_table()) {
    emulated += op->emulated.forward != nullptr ? 1 : 0;
    cuda += op->cuda.forward != nullptr ? 1 : 0;
  }
  line("kernels", std::to_string(op_table().size()) + " ops; GPU kernels in this build: " +
                      std::to_string(cuda) + ", for the emulator: " + std::to_string(emulated));
  line("matrices", gpu ? "own kernels with --math exact; cuBLASLt and cuDNN with --math fast"
                       : "own kernels, and oneDNN for convolutions");
}

}  // namespace

Command add_doctor(CLI::App&) {
  return [] {
    line("ito", ITO_VERSION);
    describe_cpu();
    describe_gpus();
    describe_choice();
    return 0;
  };
}

}  // namespace ito::tools
