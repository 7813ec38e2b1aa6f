// Where a run takes place, for people who compare runs later.
#pragma once

#include <cstdint>
#include <string>

#include "engine/core/device.h"
#include "tools/config/config.h"

namespace ito::tools {

/// One JSON object: time (UTC), version, processor, threads, memory, device, math mode, the step at
/// which the process starts, and the speed of convolutions of the network's width, for which it
/// works up to 0.3 s on a CPU. `convolution_gflops` is left out on other devices.
std::string environment_json(Device device, const Config& config, int64_t step);

/// One JSON object: for every call of a kernel that MathMode::fast chose in this process (op and
/// sizes) the `kernel` and the `reason`.
std::string algorithms_json();

}  // namespace ito::tools
