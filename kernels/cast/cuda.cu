// GPU kernel of cast: a thread converts four neighbours. Conversions are those of C++, between
// float and bf16 to nearest even; every pair of dtypes has one.
#include "kernels/cast/params.h"
#include "kernels/common/index_space.cuh"
#include "kernels/common/words.cuh"

namespace ito::ITO_GPU_NS {
namespace {

constexpr int kQuad = 4;

/// Four values moved as one access, or as two where they fill 32 bytes.
template <class T>
struct alignas(sizeof(T) < 8 ? kQuad * sizeof(T) : 16) Quad {
  T v[kQuad];
};

/// Only bf16 is held by a type of 16 bits.
template <class To, class From>
DEV To convert(From value) {
  if constexpr (std::is_same_v<From, To>) {
    return value;
  } else if constexpr (std::is_same_v<From, gpu::Bf16Bits>) {
    return static_cast<To>(gpu::bf16_value(value));
  } else if constexpr (std::is_same_v<To, gpu::Bf16Bits>) {
    return gpu::bf16_bits(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

template <class From, class To>
KERNEL(gpu::kItemThreads)
cast_kernel(int64_t count, bool whole, const From* __restrict__ x, To* __restrict__ y) {
  const int64_t first =
      (static_cast<int64_t>(blockIdx.x) * gpu::kItemThreads + gpu::thread_rank()) * kQuad;
  if (first >= count) return;
  if (whole && first + kQuad <= count) {
    const Quad<From> values = *reinterpret_cast<const Quad<From>*>(x + first);
    Quad<To> results;
#pragma unroll
    for (int i = 0; i < kQuad; ++i) results.v[i] = convert<To>(values.v[i]);
    *reinterpret_cast<Quad<To>*>(y + first) = results;
    return;
  }
  for (int64_t i = first; i < first + kQuad && i < count; ++i) y[i] = convert<To>(x[i]);
}

template <class F>
void dispatch_dtype(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32:
      return f.template operator()<float>();
    case DType::bf16:
      return f.template operator()<gpu::Bf16Bits>();
    case DType::f64:
      return f.template operator()<double>();
    case DType::i32:
      return f.template operator()<std::int32_t>();
    case DType::i64:
      return f.template operator()<std::int64_t>();
    case DType::u8:
      return f.template operator()<std::uint8_t>();
  }
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void*) {
  const int64_t count = y[0].numel();
  if (count == 0) return;
  const bool whole = gpu::aligned16(x[0].raw(), y[0].raw());
  dispatch_dtype(x[0].dtype(), [&]<class From>() {
    dispatch_dtype(y[0].dtype(), [&]<class To>() {
      gpu::check(gpu::launch(cast_kernel<From, To>,
                             gpu::blocks_for(count, gpu::kItemThreads * kQuad), gpu::kItemThreads,
                             0, launch.stream(), count, whole, gpu::elements_of<From>(x[0]),
                             gpu::elements_of<To>(y[0])));
    });
  });
}

}  // namespace

GpuKernels cast_kernels() { return {.forward = forward, .handles = gpu::handles_every_dtype}; }

}  // namespace ito::ITO_GPU_NS
