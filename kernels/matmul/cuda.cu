// GPU matrix product: both operands are read as they lie, lines along k or across it, and every
// element of C is one sum in ascending k (kernels/common/product.cuh). bf16 on tensor cores, f32
// exact. cuBLASLt is taken where it is there.
#include "kernels/common/cublas.h"
#include "kernels/common/product.cuh"
#include "kernels/matmul/op.h"

namespace ito::ITO_GPU_NS {
namespace {

using ops::Transpose;

struct Sizes {
  std::int64_t m, n, k, batch, a_batch, b_batch;
};

Sizes sizes_of(const Shape& a, const Shape& b, const ops::MatmulAttrs& t) {
  const Shape& leading = a.rank() > 2 ? a : b;
  return {.m = a[t.a == Transpose::yes ? -1 : -2],
          .n = b[t.b == Transpose::yes ? -2 : -1],
          .k = a[t.a == Transpose::yes ? -2 : -1],
          .batch = leading.numel_of(0, leading.rank() - 2),
          .a_batch = a.rank() > 2 ? a[-1] * a[-2] : 0,
          .b_batch = b.rank() > 2 ? b[-1] * b[-2] : 0};
}

/// Gradients of weights have a k much longer than a row of the result. The partial sums of such a
/// cut cost at most a quarter of reading A; a row's slices depend on the row alone.
std::int64_t slices_of(const Sizes& s) {
  return std::clamp<std::int64_t>(s.k / (16 * std::max<std::int64_t>(s.n, 64)), 1, 16);
}

template <class T, bool kAAlongK, bool kBAlongK>
void multiply(Launch& launch, const Sizes& s, const T* a, const T* b, const T* bias, T* c) {
  start_product(launch, ProductCall<MatrixSource<T, kAAlongK>, MatrixSource<T, kBAlongK>>{
                            .m = s.m,
                            .n = s.n,
                            .k = s.k,
                            .batch = s.batch,
                            .a = matrix_source<T, kAAlongK>(a, kAAlongK ? s.k : s.m, s.a_batch),
                            .b = matrix_source<T, kBAlongK>(b, kBAlongK ? s.k : s.n, s.b_batch),
                            .c = c,
                            .bias = bias,
                            .slices = slices_of(s)});
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (y[0].numel() == 0) return;
  const auto& t = *static_cast<const ops::MatmulAttrs*>(attrs);
  const Sizes s = sizes_of(x[0].shape(), x[1].shape(), t);
  if (cublaslt_matmul(launch, {.m = s.m,
                               .n = s.n,
                               .k = s.k,
                               .batch = s.batch,
                               .a_batch = s.a_batch,
                               .b_batch = s.b_batch,
                               .transpose_a = t.a == Transpose::yes,
                               .transpose_b = t.b == Transpose::yes,
                               .dtype = y[0].dtype(),
                               .a = x[0].raw(),
                               .b = x[1].raw(),
                               .bias = x[2] ? x[2].raw() : nullptr,
                               .c = y[0].raw()})) {
    return;
  }
  gpu::dispatch_element(y[0].dtype(), [&]<class T>() {
    const auto run = [&]<bool kAAlongK, bool kBAlongK>() {
      multiply<T, kAAlongK, kBAlongK>(launch, s, gpu::elements_of<const T>(x[0]),
                                      gpu::elements_of<const T>(x[1]),
                                      gpu::elements_of<const T>(x[2]), gpu::elements_of<T>(y[0]));
    };
    if (t.a == Transpose::no && t.b == Transpose::no) run.template operator()<true, false>();
    if (t.a == Transpose::no && t.b == Transpose::yes) run.template operator()<true, true>();
    if (t.a == Transpose::yes && t.b == Transpose::no) run.template operator()<false, false>();
    if (t.a == Transpose::yes && t.b == Transpose::yes) run.template operator()<false, true>();
  });
}

bool handles(const Specs& x, const void* attrs) {
  const Sizes s = sizes_of(x[0].shape, x[1].shape, *static_cast<const ops::MatmulAttrs*>(attrs));
  return x[0].dtype != DType::f64 && fits_product(s.m, s.n, s.k, s.batch);
}

}  // namespace

GpuKernels matmul_kernels() { return {.forward = forward, .handles = handles}; }

}  // namespace ito::ITO_GPU_NS
