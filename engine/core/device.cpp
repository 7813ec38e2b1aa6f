#include "engine/core/device.h"

#include "engine/cuda/emulated.h"
#include "engine/cuda/runtime.h"

namespace ito {

std::string to_string(Device device) {
  switch (device.kind) {
    case DeviceKind::cpu:
      return "cpu";
    case DeviceKind::emulated:
      return "emulated";
    case DeviceKind::meta:
      return "meta";
    case DeviceKind::cuda:
      break;
  }
  return "cuda:" + std::to_string(device.index);
}

bool is_available(Device device) {
  switch (device.kind) {
    case DeviceKind::cpu:
    case DeviceKind::meta:
      return true;
    case DeviceKind::emulated:
      return cuda::emulated::has_kernels;
    case DeviceKind::cuda:
      break;
  }
  return device.index >= 0 && device.index < cuda::device_count();
}

}  // namespace ito
