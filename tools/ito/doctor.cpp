// ito doctor: what this machine offers, what is used of it, and why.
#include <sys/sysinfo.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/core/parallel.h"
#include "engine/core/version.h"
#include "engine/cuda/runtime.h"
#include "kernels/common/cpu_info.h"
#include "kernels/common/cublas.h"
#include "kernels/common/cudnn.h"
#include "kernels/common/op_table.h"
#include "tools/ito/commands.h"
#include "tools/run/json_text.h"

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

/// In bytes; 0 where the system does not say.
struct Memory {
  uint64_t total = 0, free = 0;
};

Memory memory_of_machine() {
  struct sysinfo info {};
  if (sysinfo(&info) != 0) return {};
  return {uint64_t{info.totalram} * info.mem_unit, uint64_t{info.freeram} * info.mem_unit};
}

/// Kernels of other devices in this build.
struct Kernels {
  int cuda = 0, emulated = 0;
};

Kernels kernels_of_build() {
  Kernels count;
  for (const OpInfo* op : op_table()) {
    count.emulated += op->emulated.forward != nullptr ? 1 : 0;
    count.cuda += op->cuda.forward != nullptr ? 1 : 0;
  }
  return count;
}

std::string capability_text(int capability) {
  return std::to_string(capability / 10) + "." + std::to_string(capability % 10);
}

void describe_cpu() {
  const CpuInfo cpu = cpu_info();
  line("cpu", (cpu.model.empty() ? "unnamed" : cpu.model) + ", " +
                  std::to_string(std::thread::hardware_concurrency()) + " cores");
  std::string targets;
  for (const std::string& target : cpu.targets) targets += (targets.empty() ? "" : ", ") + target;
  line("vectors", cpu.targets.front() + " chosen, the best of: " + targets +
                      (cpu.has_bf16 ? "; bf16 products in hardware" : "; no bf16 in hardware"));
  const Memory memory = memory_of_machine();
  if (memory.total > 0) {
    line("memory", gibibytes(static_cast<double>(memory.total)) + ", " +
                       gibibytes(static_cast<double>(memory.free)) + " free");
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
                    capability_text(d.compute_capability) + ", " +
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
  const Kernels kernels = kernels_of_build();
  line("kernels", std::to_string(op_table().size()) +
                      " ops; GPU kernels in this build: " + std::to_string(kernels.cuda) +
                      ", for the emulator: " + std::to_string(kernels.emulated));
  line("matrices", gpu ? "own kernels with --math exact; cuBLASLt and cuDNN with --math fast"
                       : "own kernels, and oneDNN for convolutions");
}

Json gpus_json() {
  Json gpus = Json::array();
  for (int i = 0; i < cuda::device_count(); ++i) {
    const cuda::DeviceInfo d = cuda::runtime_of({DeviceKind::cuda, static_cast<int8_t>(i)}).info();
    gpus.push_back({{"name", d.name},
                    {"compute_capability", capability_text(d.compute_capability)},
                    {"multiprocessors", d.multiprocessors},
                    {"total_bytes", d.total_bytes},
                    {"free_bytes", d.free_bytes}});
  }
  return gpus;
}

Json machine_json() {
  const CpuInfo cpu = cpu_info();
  const Memory memory = memory_of_machine();
  const cuda::Versions versions = cuda::versions();
  const Kernels kernels = kernels_of_build();
  const bool gpu = cuda::device_count() > 0;
  const auto version = [](int v) { return v == 0 ? std::string() : version_text(v); };
  const auto library = [](const LibraryState& s) {
    return Json({{"usable", s.usable}, {"text", s.text}});
  };
  return {{"ito", ITO_VERSION},
          {"cpu",
           {{"name", cpu.model},
            {"cores", std::thread::hardware_concurrency()},
            {"vectors", cpu.targets},
            {"bf16", cpu.has_bf16}}},
          {"memory", {{"total_bytes", memory.total}, {"free_bytes", memory.free}}},
          {"threads", num_threads()},
          {"onednn", onednn_version()},
          {"cuda", {{"runtime", version(versions.runtime)}, {"driver", version(versions.driver)}}},
          {"gpus", gpus_json()},
          {"no_gpu", gpu ? "" : cuda::unavailable_reason()},
          {"cudnn", library(cudnn_state())},
          {"cublaslt", library(cublaslt_state())},
          {"device", gpu ? "cuda:0" : "cpu"},
          {"kernels",
           {{"ops", op_table().size()}, {"cuda", kernels.cuda}, {"emulated", kernels.emulated}}}};
}

}  // namespace

Command add_doctor(CLI::App& app) {
  const auto json = std::make_shared<bool>(false);
  add_json(app, *json);
  return [json] {
    if (*json) {
      print_json(machine_json());
      return 0;
    }
    line("ito", ITO_VERSION);
    describe_cpu();
    describe_gpus();
    describe_choice();
    return 0;
  };
}

}  // namespace ito::tools
