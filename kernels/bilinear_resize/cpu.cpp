// CPU kernel of bilinear_resize and its adjoint, vectorised over channels: the taps of an output
// pixel (four in an interpolation) are listed once, then added up for all its channels.
#include "kernels/bilinear_resize/cpu.h"

#include <algorithm>
#include <vector>

#include "engine/core/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/bilinear_resize/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

template <class A>
struct Tap {
  int64_t at;  ///< pixel of the image
  A weight;
};

/// The taps of output pixel (r, s), in row-major order.
template <class A>
void list_taps(const ResizeGeometry& g, int r, int s, std::vector<Tap<A>>& taps) {
  taps.clear();
  const ResizeAxis::Taps rows = g.rows.taps(r), columns = g.columns.taps(s);
  for (int i = rows.begin; i < rows.end; ++i) {
    const A above = static_cast<A>(g.rows.weight(r, i)) / static_cast<A>(g.rows.span);
    for (int j = columns.begin; j < columns.end; ++j) {
      const A beside = static_cast<A>(g.columns.weight(s, j)) / static_cast<A>(g.columns.span);
      taps.push_back({i * g.x[2] + j, above * beside});
    }
  }
}

template <class T>
HWY_INLINE void add_taps(const std::vector<Tap<Acc<T>>>& taps, int64_t channels, const T* x, T* y) {
  const Tag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) {
    auto sum = hn::Zero(d);
    for (const auto& tap : taps) {
      sum = hn::MulAdd(hn::Set(d, tap.weight), load(d, x + tap.at * channels + c), sum);
    }
    store(d, sum, y + c);
  }
  if (c == channels) return;
  const auto rest = static_cast<size_t>(channels - c);
  auto sum = hn::Zero(d);
  for (const auto& tap : taps) {
    sum = hn::MulAdd(hn::Set(d, tap.weight), load_n(d, x + tap.at * channels + c, rest), sum);
  }
  store_n(d, sum, y + c, rest);
}

template <class T>
void resize(const ResizeGeometry& g, const T* x, T* y) {
  const int64_t height = g.y[1], width = g.y[2], channels = g.y[3];
  const int64_t grain = std::max<int64_t>((1 << 13) / (width * channels), 1);
  parallel_ranges(g.y[0] * height, grain, [&](int64_t begin, int64_t end) {
    std::vector<Tap<Acc<T>>> taps;
    for (int64_t row = begin; row < end; ++row) {
      const T* image = x + row / height * g.x[1] * g.x[2] * channels;
      for (int64_t s = 0; s < width; ++s) {
        list_taps(g, static_cast<int>(row % height), static_cast<int>(s), taps);
        add_taps(taps, channels, image, y + (row * width + s) * channels);
      }
    }
  });
}

void resize_f32(const ResizeGeometry& g, const float* x, float* y) { resize(g, x, y); }
void resize_bf16(const ResizeGeometry& g, const BFloat16* x, BFloat16* y) { resize(g, x, y); }
void resize_f64(const ResizeGeometry& g, const double* x, double* y) { resize(g, x, y); }

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ito {

HWY_EXPORT(resize_f32);
HWY_EXPORT(resize_bf16);
HWY_EXPORT(resize_f64);

void bilinear_resize_cpu(const ResizeGeometry& g, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(resize_f32)(g, x, y);
}
void bilinear_resize_cpu(const ResizeGeometry& g, const BFloat16* x, BFloat16* y) {
  HWY_DYNAMIC_DISPATCH(resize_bf16)(g, x, y);
}
void bilinear_resize_cpu(const ResizeGeometry& g, const double* x, double* y) {
  HWY_DYNAMIC_DISPATCH(resize_f64)(g, x, y);
}

}  // namespace ito
#endif
