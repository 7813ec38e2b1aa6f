#include "kernels/mean_pool/op.h"

#include <algorithm>

#include "engine/core/parallel.h"
#include "kernels/common/define_op.h"
#include "kernels/mean_pool/params.h"
#include "kernels/unary/op.h"
#include "kernels/upsample_nearest/op.h"

namespace ito {
namespace {

/// k rows of x become `width` pixels of y; sum holds `channels` numbers.
template <class T>
void pool_rows(const T* x, T* y, Acc<T>* sum, int64_t width, int64_t channels, int64_t k) {
  using A = Acc<T>;
  const A scale = A(1) / static_cast<A>(k * k);
  for (int64_t w = 0; w < width; ++w) {
    std::fill_n(sum, channels, A(0));
    for (int64_t i = 0; i < k; ++i) {
      const T* block = x + (i * width + w) * k * channels;
      for (int64_t j = 0; j < k; ++j) {
        for (int64_t c = 0; c < channels; ++c) sum[c] += static_cast<A>(block[j * channels + c]);
      }
    }
    for (int64_t c = 0; c < channels; ++c) y[w * channels + c] = static_cast<T>(sum[c] * scale);
  }
}

struct MeanPool {
  static constexpr std::string_view name = "mean_pool";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = MeanPoolAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 0}; }
  static Specs infer(const Specs& x, const Attrs& a) {
    const Shape& s = x[0].shape;
    ITO_CHECK(is_floating(x[0].dtype), DTypeError, "needs a floating dtype", kv("x", x[0].dtype));
    ITO_CHECK(s.rank() == 4, ShapeError, "x must be [N, H, W, C]", kv("x", s));
    ITO_CHECK(a.k >= 1 && s[1] % a.k == 0 && s[2] % a.k == 0, ShapeError,
              "height and width must divide by the factor", kv("k", a.k), kv("x", s));
    return {{{s[0], s[1] / a.k, s[2] / a.k, s[3]}, x[0].dtype, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    const Shape& s = x[0].shape();
    const int64_t height = s[1] / a.k, width = s[2] / a.k, channels = s[3];
    Tensor y = Tensor::empty({s[0], height, width, channels}, x[0].dtype());
    dispatch_float(y.dtype(), name, [&]<class T>() {
      for (int64_t o = 0; o < y.numel(); ++o) {
        const int64_t c = o % channels, w = o / channels % width;
        const int64_t h = o / (channels * width) % height, n = o / (channels * width * height);
        Acc<T> sum = 0;
        for (int64_t i = 0; i < a.k; ++i) {
          for (int64_t j = 0; j < a.k; ++j) {
            const int64_t row = n * s[1] + h * a.k + i, column = w * a.k + j;
            sum += static_cast<Acc<T>>(x[0].data<T>()[(row * s[2] + column) * channels + c]);
          }
        }
        y.data<T>()[o] = static_cast<T>(sum / static_cast<Acc<T>>(a.k * a.k));
      }
    });
    return {y};
  }
  static void forward(Launch& launch, const Tensors& x, const Tensors& y, const Attrs& a) {
    if (y[0].numel() == 0) return;
    const Shape& s = y[0].shape();
    const int64_t row = s[2] * s[3], rows = s[0] * s[1];
    const int64_t grain = std::max<int64_t>((1 << 14) / (row * a.k * a.k), 1);
    dispatch_float(y[0].dtype(), name, [&]<class T>() {
      auto* sums = launch.scratch<Acc<T>>((rows + grain - 1) / grain * s[3]);
      parallel_ranges(rows, grain, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          pool_rows(x[0].data<T>() + r * row * a.k * a.k, y[0].data<T>() + r * row,
                    sums + begin / grain * s[3], s[2], s[3], a.k);
        }
      });
    });
  }
  static Tensors gradient(const GradCall& g, const Attrs& a) {
    return {ops::upsample_nearest(g.grad_out[0], a.k) / static_cast<double>(a.k * a.k)};
  }

  static Samples samples() {
    const auto sample = [](const char* id, Shape x, int64_t k, bool gradients = true) {
      return Sample{id, {normal(x)}, attrs(Attrs{k}), gradients};
    };
    return {sample("2x4x6x7", {2, 4, 6, 7}, 2),   sample("grey", {2, 4, 8, 1}, 2),
            sample("rgb", {1, 6, 6, 3}, 2),       sample("by_3", {2, 3, 6, 5}, 3),
            sample("wide", {2, 4, 6, 8}, 2),      sample("by_1", {2, 2, 3, 5}, 1),
            sample("one_pixel", {2, 4, 4, 4}, 4), sample("empty", {0, 4, 4, 2}, 2),
            sample("no_rows", {2, 0, 4, 2}, 2),   sample("long", {3, 30, 34, 17}, 2, false)};
  }
  static ErrorSamples errors() {
    return {{{"rank", {normal({2, 4, 4})}, attrs(Attrs{2})}, "x must be [N, H, W, C]"},
            {{"height", {normal({2, 3, 4, 1})}, attrs(Attrs{2})}, "must divide by the factor"},
            {{"k", {normal({2, 4, 4, 1})}, attrs(Attrs{0})}, "must divide by the factor"}};
  }
  static Samples bench_samples() {
    return {{"8x32x32x128", {normal({8, 32, 32, 128})}, attrs(Attrs{2})}};
  }
  static Cost cost(const Specs& x, const Specs& y, const Attrs&) {
    return {static_cast<double>(x[0].shape.numel() + y[0].shape.numel()) *
                static_cast<double>(size_of(y[0].dtype)),
            static_cast<double>(x[0].shape.numel())};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(MeanPool, mean_pool)

namespace ito::ops {

Tensor mean_pool(const Tensor& x, int64_t k) {
  return call(op_mean_pool(), {x}, MeanPoolAttrs{k})[0];
}

}  // namespace ito::ops
