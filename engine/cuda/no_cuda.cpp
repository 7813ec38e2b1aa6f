#include "engine/core/check.h"
#include "engine/cuda/runtime.h"

namespace ito::cuda {

int device_count() { return 0; }

std::string unavailable_reason() { return "this build has no CUDA runtime"; }

Versions versions() { return {}; }

namespace detail {

Runtime& cuda_runtime(int index) {
  throw DeviceError(
      ito::detail::rule_text("no usable GPU: " + unavailable_reason(), kv("index", index)));
}

}  // namespace detail

}  // namespace ito::cuda
