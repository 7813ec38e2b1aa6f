// What every cuda.cu shares on the host side (from tensors to a launch) and in its kernels (values
// of f32 and bf16 alike).
#pragma once

#include "engine/autograd/op_info.h"
#include "kernels/common/gpu.h"

namespace ito::gpu {
inline namespace ITO_GPU_NS {

/// Elements of bf16 tensors are their bits in kernels: arithmetic is in float.
using Bf16Bits = std::uint16_t;

/// Calls f.template operator()<T>() with T = float or Bf16Bits.
template <class F>
void dispatch_element(DType dtype, F&& f) {
  if (dtype == DType::f32) return f.template operator()<float>();
  ITO_CHECK(dtype == DType::bf16, DTypeError, "GPU kernels take f32 and bf16", kv("dtype", dtype));
  f.template operator()<Bf16Bits>();
}

/// First element of a tensor for a kernel; null for an undefined tensor.
template <class T>
T* elements_of(const Tensor& t) {
  return t ? static_cast<T*>(t.raw()) : nullptr;
}

#ifdef ITO_EMULATE
inline constexpr Device kThisDevice = kEmulated;
#else
inline constexpr Device kThisDevice{DeviceKind::cuda, 0};
#endif
/// Throws what cuda::check does for a failed launch.
inline void check(const Status& status) { ::ito::cuda::check(status, kThisDevice); }

inline unsigned blocks_for(std::int64_t count, std::int64_t per_block) {
  return static_cast<unsigned>((count + per_block - 1) / per_block);
}

/// Whether all addresses are multiples of 16 bytes; null is.
template <class... T>
bool aligned16(const T*... addresses) {
  return ((reinterpret_cast<std::uintptr_t>(addresses) % 16 == 0) && ...);
}

DEV float widen(float value) { return value; }
DEV float widen(Bf16Bits bits) { return bf16_value(bits); }
/// Rounds to nearest even.
template <class T>
DEV T narrow(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {
    return bf16_bits(value);
  }
}

/// V neighbours in float; V is 1, or the number that fills 16 bytes (an aligned address).
template <int V, class T>
DEV void load_floats(const T* address, float (&values)[V]) {
  if constexpr (V == 1) {
    values[0] = widen(*address);
  } else {
    static_assert(V == Pack<T>::kSize);
    const Pack<T> pack = load16(address);
#pragma unroll
    for (int i = 0; i < V; ++i) values[i] = widen(pack.v[i]);
  }
}
template <int V, class T>
DEV void store_floats(T* address, const float (&values)[V]) {
  if constexpr (V == 1) {
    *address = narrow<T>(values[0]);
  } else {
    static_assert(V == Pack<T>::kSize);
    Pack<T> pack;
#pragma unroll
    for (int i = 0; i < V; ++i) pack.v[i] = narrow<T>(values[i]);
    store16(address, pack);
  }
}

}  // namespace ITO_GPU_NS
}  // namespace ito::gpu
