#include "engine/core/check.h"
#include "engine/cuda/runtime.h"

namespace ito::cuda {

int device_count() { return 0; }

std::string unavailable_reason() { return "this build has no CUDA runtime"; }

Allocator& device_allocator(int index) {
  throw DeviceError(
      detail::rule_text("no usable GPU: " + unavailable_reason(), kv("index", index)));
}

}  // namespace ito::cuda
