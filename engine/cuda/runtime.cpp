#include "engine/cuda/runtime.h"

#include "engine/core/check.h"

namespace ito::cuda {

Runtime& runtime_of(Device device) {
  ITO_CHECK(device.kind != DeviceKind::cpu, InternalError, "the CPU has no device runtime");
  if (device.kind == DeviceKind::emulated) return detail::emulated_runtime();
  if (device.kind == DeviceKind::meta) return detail::meta_runtime();
  if (device.index < 0 || device.index >= device_count()) {
    const std::string why = device_count() == 0
                                ? "no usable GPU: " + unavailable_reason()
                                : "there are " + std::to_string(device_count()) + " GPUs";
    fail(ErrorCode::device_unavailable, to_string(device), why, "use --device cpu");
  }
  return detail::cuda_runtime(device.index);
}

namespace detail {

std::string explain_unavailable(int code, const char* message, Versions versions) {
  const auto text = [](int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  };
  if (versions.driver == 0) return "there is no NVIDIA driver";
  if (versions.driver / 1000 < versions.runtime / 1000) {
    return "the driver serves CUDA " + text(versions.driver) + ", this program needs " +
           text(versions.runtime);
  }
  if (code == 0 || code == 100) return "the driver sees no GPU";
  return std::string(message) + " (CUDA error " + std::to_string(code) + ")";
}

std::string explain_too_small(int capability, int least) {
  const auto text = [](int number) {
    return std::to_string(number / 10) + "." + std::to_string(number % 10);
  };
  return "the GPU has compute capability " + text(capability) + ", this program needs " +
         text(least) + " (build with a lower ITO_CUDA_ARCHITECTURES)";
}

}  // namespace detail

}  // namespace ito::cuda
