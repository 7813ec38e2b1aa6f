#include "tools/run/environment.h"

#include <sys/sysinfo.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/core/kernel_choice.h"
#include "engine/core/parallel.h"
#include "engine/core/version.h"
#include "engine/cuda/runtime.h"
#include "kernels/common/cpu_info.h"
#include "tools/run/estimate.h"
#include "tools/run/json_text.h"

namespace ito::tools {
namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace

std::string environment_json(Device device, const Config& config, int64_t step) {
  const CpuInfo cpu = cpu_info();
  Json json{{"started", utc_now()},
            {"step", step},
            {"ito", ITO_VERSION},
            {"cpu", cpu.model},
            {"cores", std::thread::hardware_concurrency()},
            {"threads", num_threads()},
            {"vectors", cpu.targets.front()},
            {"onednn", onednn_version()},
            {"device", to_string(device)},
            {"math", config.train.math}};
  struct sysinfo memory {};
  if (sysinfo(&memory) == 0) {
    json["memory_gib"] =
        static_cast<double>(memory.totalram) * memory.mem_unit / (int64_t{1} << 30);
  }
  if (device.kind == DeviceKind::cpu) {
    json["convolution_gflops"] = measured_rate(std::max(16, config.model.nf)) / 1e9;
  } else if (device.kind == DeviceKind::cuda) {
    json["gpu"] = cuda::runtime_of(device).info().name;
  }
  return json_text(json);
}

std::string algorithms_json() {
  auto json = Json::object();
  for (const KernelChoice& c : kernel_choices()) {
    json[c.call] = {{"kernel", c.kernel}, {"reason", c.reason}};
  }
  return json_text(json);
}

}  // namespace ito::tools
