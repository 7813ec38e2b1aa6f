#include "engine/core/device.h"

#include "engine/core/allocator.h"
#include "engine/core/check.h"
#include "engine/cuda/runtime.h"

namespace ito {

Allocator& host_allocator();

std::string to_string(Device device) {
  switch (device.kind) {
    case DeviceKind::cpu:
      return "cpu";
    case DeviceKind::emulated:
      return "emulated";
    case DeviceKind::cuda:
      break;
  }
  return "cuda:" + std::to_string(device.index);
}

bool is_available(Device device) {
  return is_host_memory(device) || (device.index >= 0 && device.index < cuda::device_count());
}

Allocator& allocator_of(Device device) {
  return is_host_memory(device) ? host_allocator() : cuda::device_allocator(device.index);
}

}  // namespace ito
