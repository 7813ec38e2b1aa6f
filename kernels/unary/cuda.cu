// GPU kernel of unary: the element-wise driver with one operand. The kind is the same for a whole
// launch, so a thread branches once for its 16 bytes. Formulas that cannot overflow are those of
// the CPU (kernels/common/simd_math-inl.h).
#include <cmath>

#include "kernels/common/elementwise.cuh"
#include "kernels/unary/params.h"

namespace ito::ITO_GPU_NS {
namespace {

using ops::UnaryKind;

/// 1 / (1 + exp(-x)), from exp(-|x|) <= 1.
DEV float sigmoid(float x) {
  const float e = expf(-fabsf(x));
  return (x < 0 ? e : 1.0f) / (1.0f + e);
}
DEV float softplus(float x) { return (x > 0 ? x : 0.0f) + log1pf(expf(-fabsf(x))); }
DEV float sign(float x) { return x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f; }

template <class T, int V, class F>
DEV void for_each(const T (&x)[V], T (&y)[V], F f) {
#pragma unroll
  for (int i = 0; i < V; ++i) y[i] = gpu::narrow<T>(f(gpu::widen(x[i])));
}

struct Function {
  UnaryKind kind;
  float p0, p1;

  template <class T, int V>
  DEV void operator()(const T (&x)[1][V], T (&y)[V]) const {
    const float a = p0, b = p1;
    switch (kind) {
      case UnaryKind::linear:
        return for_each(x[0], y, [=](float v) { return gpu::fma_rn(a, v, b); });
      case UnaryKind::exp:
        return for_each(x[0], y, [](float v) { return expf(v); });
      case UnaryKind::log:
        return for_each(x[0], y, [](float v) { return logf(v); });
      case UnaryKind::expm1:
        return for_each(x[0], y, [](float v) { return expm1f(v); });
      case UnaryKind::log1p:
        return for_each(x[0], y, [](float v) { return log1pf(v); });
      case UnaryKind::sqrt:
        return for_each(x[0], y, [](float v) { return gpu::sqrt_rn(v); });
      case UnaryKind::rsqrt:
        return for_each(x[0], y, [](float v) { return 1.0f / gpu::sqrt_rn(v); });
      case UnaryKind::reciprocal:
        return for_each(x[0], y, [](float v) { return 1.0f / v; });
      case UnaryKind::square:
        return for_each(x[0], y, [](float v) { return v * v; });
      case UnaryKind::power:
        return for_each(x[0], y, [=](float v) { return powf(v, a); });
      case UnaryKind::sin:
        return for_each(x[0], y, [](float v) { return sinf(v); });
      case UnaryKind::cos:
        return for_each(x[0], y, [](float v) { return cosf(v); });
      case UnaryKind::tanh:
        return for_each(x[0], y, [](float v) { return tanhf(v); });
      case UnaryKind::sigmoid:
        return for_each(x[0], y, [](float v) { return sigmoid(v); });
      case UnaryKind::silu:
        return for_each(x[0], y, [](float v) { return v * sigmoid(v); });
      case UnaryKind::softplus:
        return for_each(x[0], y, [](float v) { return softplus(v); });
      case UnaryKind::relu:
        return for_each(x[0], y, [](float v) { return v > 0 ? v : 0.0f; });
      case UnaryKind::leaky_relu:
        return for_each(x[0], y, [=](float v) { return v > 0 ? v : a * v; });
      case UnaryKind::elu:
        return for_each(x[0], y, [](float v) { return v < 0 ? expm1f(v) : v; });
      case UnaryKind::abs:
        return for_each(x[0], y, [](float v) { return fabsf(v); });
      case UnaryKind::sign:
        return for_each(x[0], y, [](float v) { return sign(v); });
      case UnaryKind::step:
        return for_each(x[0], y, [](float v) { return v > 0 ? 1.0f : 0.0f; });
    }
  }
};

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  const int64_t n = y[0].numel();
  if (n == 0) return;
  const auto& a = *static_cast<const UnaryAttrs*>(attrs);
  const Function f{a.kind, static_cast<float>(a.p0), static_cast<float>(a.p1)};
  gpu::dispatch_element(y[0].dtype(), [&]<class T>() {
    gpu::map<1, T>(launch, gpu::flat_box<2>(n), {gpu::elements_of<T>(x[0])},
                   gpu::elements_of<T>(y[0]), f);
  });
}

}  // namespace

GpuKernels unary_kernels() { return {.forward = forward}; }

}  // namespace ito::ITO_GPU_NS
