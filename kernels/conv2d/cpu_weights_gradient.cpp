#include "kernels/conv2d/weights_gradient.h"

#include <algorithm>

#include "engine/core/parallel.h"
#include "kernels/common/bf16_dot.h"
#include "kernels/common/onednn.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv2d/cpu_weights_gradient.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/operand_forms-inl.h"
#include "kernels/common/register_tile-inl.h"

#ifndef ITO_KERNELS_CONV2D_CPU_WEIGHTS_GRADIENT_ONCE
#define ITO_KERNELS_CONV2D_CPU_WEIGHTS_GRADIENT_ONCE
namespace ito::weights_gradient {

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// [begin, end)
struct Range {
  int64_t begin, end;
  int64_t size() const { return std::max<int64_t>(0, end - begin); }
};

/// The outputs, of `size`, whose tap reads the image: 0 <= output * stride + offset < image.
inline Range reading(int64_t size, int64_t image, int64_t stride, int64_t offset) {
  const int64_t begin = offset < 0 ? divide_up(-offset, stride) : 0;
  return {begin, offset >= image ? 0 : std::min(size, divide_up(image - offset, stride))};
}

/// Images [n, h, w, channels].
template <class T>
struct Images {
  T* data;
  int64_t n, h, w, channels;
  int64_t pixels() const { return n * h * w; }
};

/// Images as panels of `width` channels: channel c of pixel q is at
/// data[c / width * panel_step + q * pixel_step + c % width].
template <class S>
struct Panels {
  S* data;
  int64_t channels, width, pixel_step, panel_step;

  int64_t count() const { return divide_up(channels, width); }
  S* at(int64_t panel, int64_t pixel) const {
    return data + panel * panel_step + pixel * pixel_step;
  }
};

/// Output pixels whose operands stay in the caches: some images, or some rows of one.
struct Bands {
  int64_t images, rows;    ///< of a band
  int64_t per_image, all;  ///< bands

  explicit Bands(const Conv2dParams& p) {
    constexpr int64_t kPixels = 256;
    images = std::max<int64_t>(1, kPixels / (p.ho * p.wo));
    rows = images > 1 ? p.ho : std::clamp<int64_t>(kPixels / p.wo, 1, p.ho);
    per_image = divide_up(p.ho, rows);
    all = divide_up(p.n, images) * per_image;
  }
};

/// Sums over a range of bands: [output channels][taps][row].
template <class A>
struct Sums {
  A* data;
  int64_t row, taps;
  A* at(int64_t channel, int64_t tap, int64_t c) const {
    return data + (channel * taps + tap) * row + c;
  }
};

/// What one tap multiplies over one band, for the first of a tile's rows and columns: `pixels` of a
/// row, with the passes over rows and images around it.
template <class S>
struct TapProducts {
  int64_t pixels;
  const S* a;
  int64_t a_step;
  const S* b;
  int64_t b_step;
  Passes images, rows;
};

/// How the operands of T lie in a register tile, and the functions of one SIMD target. S is what a
/// pixel has for each channel: the value in the accumulation type, or a pair of bf16, the value and
/// that which the next output pixel multiplies.
template <class T, class S>
struct Kernels {
  int64_t rows, columns;               ///< of a tile: output and input channels
  int64_t row_multiple, col_multiple;  ///< in what multiples its sums are written
  /// Pixels [first, first + count) into panels; what completes the last one is zero. `stride`: to
  /// the next output pixel's.
  void (*pack)(const Images<T>& x, int64_t stride, int64_t first, int64_t count,
               const Panels<S>& to);
  /// sums[panel co of gy, all taps, panel ci of x] = products over a range of bands.
  void (*add_bands)(const Conv2dParams& p, const Range& bands, const Panels<S>& gy, int64_t co,
                    const Panels<S>& x, int64_t ci, const Sums<Acc<T>>& sums);
  void (*write_rows)(const Sums<Acc<T>>& sums, int64_t chunks, int64_t chunk_step, int64_t first,
                     int64_t last, int64_t channels, T* gw);
};

}  // namespace ito::weights_gradient
#endif

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

using namespace weights_gradient;

template <class A>
int64_t lanes() {
  return static_cast<int64_t>(hn::Lanes(hn::ScalableTag<A>()));
}

template <class T, class A>
void pack_values(const Images<T>& x, int64_t, int64_t first, int64_t count, const Panels<A>& to) {
  for (int64_t q = first; q < first + count; ++q) {
    for (int64_t panel = 0; panel < to.count(); ++panel) {
      const int64_t c = panel * to.width, inside = std::min(to.width, to.channels - c);
      A* pixel = to.at(panel, q);
      std::copy_n(x.data + q * to.channels + c, inside, pixel);
      std::fill(pixel + inside, pixel + to.width, A(0));
    }
  }
}

/// A pixel and the one `stride` to its right, or zero where the row has ended.
void pack_pairs(const Images<BFloat16>& x, int64_t stride, int64_t first, int64_t count,
                const Panels<Bf16Pair>& to) {
  for (int64_t q = first; q < first + count; ++q) {
    const BFloat16* low = x.data + q * to.channels;
    const BFloat16* high = q % x.w + stride < x.w ? low + stride * to.channels : nullptr;
    for (int64_t panel = 0; panel < to.count(); ++panel) {
      const int64_t c = panel * to.width, inside = std::min(to.width, to.channels - c);
      Bf16Pair* pixel = to.at(panel, q);
      make_pairs(low + c, high == nullptr ? nullptr : high + c, inside, pixel);
      std::fill(pixel + inside, pixel + to.width, 0);
    }
  }
}

/// c [rows, columns] += the products of a tap.
template <class A>
HWY_INLINE void add_tile(int64_t rows, int64_t columns, const TapProducts<A>& t, A* c,
                         int64_t c_step) {
  const Product<A> product{.depth = t.pixels,
                           .a = t.a,
                           .a_step = t.a_step,
                           .b = t.b,
                           .b_step = t.b_step,
                           .c = c,
                           .c_step = c_step,
                           .start = GemmStart::result,
                           .outer = t.images,
                           .inner = t.rows};
  if (columns > lanes<A>()) return multiply_exact_rows<kVectors, Order::by_depth>(rows, product);
  multiply_exact_rows<1, Order::by_depth>(rows, product);
}

/// A pair is the products of two pixels; past the last one of a row one of its factors is zero.
HWY_INLINE void add_tile(int64_t rows, int64_t, const TapProducts<Bf16Pair>& t, float* c,
                         int64_t c_step) {
  multiply_bf16({.rows = rows,
                 .panels = 1,
                 .pairs = divide_up(t.pixels, 2),
                 .a = t.a,
                 .tile_step = 0,
                 .row_step = 1,
                 .pair_step = 2 * t.a_step,
                 .b = t.b,
                 .b_step = 2 * t.b_step,
                 .c = c,
                 .c_step = c_step,
                 .outer = t.images,
                 .inner = t.rows});
}

/// Tap (i, j) over a band.
template <class S>
TapProducts<S> tap_products(const Conv2dParams& p, int64_t i, int64_t j, const Range& images,
                            const Range& band, const Panels<S>& gy, int64_t co, const Panels<S>& x,
                            int64_t ci) {
  const int64_t top = i * p.dilation - p.pad_top, left = j * p.dilation - p.pad_left;
  const Range all = reading(p.ho, p.h, p.stride, top);
  const Range rows{std::max(all.begin, band.begin), std::min(all.end, band.end)};
  const Range cols = reading(p.wo, p.w, p.stride, left);
  const int64_t from =
      (images.begin * p.h + rows.begin * p.stride + top) * p.w + cols.begin * p.stride + left;
  return {.pixels = cols.size(),
          .a = gy.at(co, (images.begin * p.ho + rows.begin) * p.wo + cols.begin),
          .a_step = gy.pixel_step,
          .b = x.at(ci, from),
          .b_step = p.stride * x.pixel_step,
          .images = {images.size(), p.ho * p.wo * gy.pixel_step, p.h * p.w * x.pixel_step},
          .rows = {rows.size(), p.wo * gy.pixel_step, p.stride * p.w * x.pixel_step}};
}

template <class S, class A>
void add_bands(const Conv2dParams& p, const Range& bands, const Panels<S>& gy, int64_t co,
               const Panels<S>& x, int64_t ci, const Sums<A>& sums) {
  const int64_t rows = std::min(gy.width, gy.channels - co * gy.width);
  const int64_t columns = std::min(x.width, x.channels - ci * x.width);
  const auto tile = [&](int64_t row, int64_t tap) {
    return sums.at(co * gy.width + row, tap, ci * x.width);
  };
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t tap = 0; tap < sums.taps; ++tap) std::fill_n(tile(row, tap), columns, A(0));
  }
  const Bands b(p);
  for (int64_t band = bands.begin; band < bands.end; ++band) {
    const int64_t image = band / b.per_image * b.images, row = band % b.per_image * b.rows;
    const Range images{image, std::min(image + b.images, p.n)};
    const Range band_rows{row, std::min(row + b.rows, p.ho)};
    for (int64_t tap = 0; tap < sums.taps; ++tap) {
      const TapProducts<S> products =
          tap_products(p, tap / p.kw, tap % p.kw, images, band_rows, gy, co, x, ci);
      add_tile(rows, columns, products, tile(0, tap), sums.taps * sums.row);
    }
  }
}

/// Rows [first, last) of gw, each of a channel and a tap, are the sums of all chunks, added in
/// order.
template <class T, class A>
void write_rows(const Sums<A>& sums, int64_t chunks, int64_t chunk_step, int64_t first,
                int64_t last, int64_t channels, T* gw) {
  const hn::ScalableTag<A> d;
  for (int64_t r = first; r < last; ++r) {
    for (int64_t c = 0; c < channels; c += lanes<A>()) {
      const A* from = sums.data + r * sums.row + c;
      auto total = hn::LoadU(d, from);
      for (int64_t i = 1; i < chunks; ++i) {
        total = hn::Add(total, hn::LoadU(d, from + i * chunk_step));
      }
      const int64_t count = std::min(lanes<A>(), channels - c);
      T* to = gw + r * channels + c;
      if (count == lanes<A>()) {
        store(d, total, to);
      } else {
        store_n(d, total, to, static_cast<size_t>(count));
      }
    }
  }
}

template <class T, class A = Acc<T>>
Kernels<T, A> values_kernels() {
  return {kRows,           panel_columns<A>(), 1, lanes<A>(), pack_values<T, A>,
          add_bands<A, A>, write_rows<T, A>};
}
Kernels<float, float> gradient_f32() { return values_kernels<float>(); }
Kernels<double, double> gradient_f64() { return values_kernels<double>(); }
Kernels<BFloat16, float> gradient_bf16() { return values_kernels<BFloat16>(); }
/// Without functions if the processor has no dot products of pairs.
Kernels<BFloat16, Bf16Pair> gradient_pairs() {
#if HWY_TARGET <= HWY_AVX3
  if (has_bf16_dot()) {
    return {kDotRows,
            kDotColumns,
            kDotRows,
            kDotColumns,
            pack_pairs,
            add_bands<Bf16Pair, float>,
            write_rows<BFloat16, float>};
  }
#endif
  return {};
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ito {
namespace {

using namespace weights_gradient;

HWY_EXPORT(gradient_f32);
HWY_EXPORT(gradient_f64);
HWY_EXPORT(gradient_bf16);
HWY_EXPORT(gradient_pairs);

template <class T>
Kernels<T, Acc<T>> values_kernels() {
  if constexpr (std::is_same_v<T, float>) return HWY_DYNAMIC_DISPATCH(gradient_f32)();
  if constexpr (std::is_same_v<T, double>) return HWY_DYNAMIC_DISPATCH(gradient_f64)();
  if constexpr (std::is_same_v<T, BFloat16>) return HWY_DYNAMIC_DISPATCH(gradient_bf16)();
}

/// x as panels: where it is if its pixels are near each other and nothing has to be completed or
/// converted, else one panel's pixels after the other.
template <class T, class S>
Panels<S> panels_of(Launch& launch, const Kernels<T, S>& k, const Images<T>& x, int64_t width,
                    int64_t multiple, int64_t stride) {
  constexpr int64_t kNear = 256, kPixelsPerTask = 64, kLine = 16;
  if constexpr (std::is_same_v<T, S>) {
    if (x.channels % multiple == 0 && x.channels <= kNear) {
      return {x.data, x.channels, width, x.channels, width};
    }
  }
  // A line more than the pixels, lest a pixel's panels fall into one set of the cache.
  const int64_t step = x.pixels() * width + kLine;
  const Panels<S> to{launch.scratch<S>(divide_up(x.channels, width) * step), x.channels, width,
                     width, step};
  parallel_ranges(x.pixels(), kPixelsPerTask,
                  [&](int64_t begin, int64_t end) { k.pack(x, stride, begin, end - begin, to); });
  return to;
}

template <class T, class S>
void add_products(Launch& launch, const Conv2dParams& p, const Conv2dArrays<T>& t,
                  const Kernels<T, S>& k) {
  using A = Acc<T>;
  constexpr int64_t kEnough = 32;
  const Panels<S> x =
      panels_of<T, S>(launch, k, {t.x, p.n, p.h, p.w, p.ci}, k.columns, k.col_multiple, p.stride);
  const Panels<S> gy =
      panels_of<T, S>(launch, k, {t.y, p.n, p.ho, p.wo, p.co}, k.rows, k.row_multiple, 1);
  const Bands bands(p);
  const int64_t tiles = gy.count() * x.count();
  const int64_t chunks = std::clamp<int64_t>(divide_up(kEnough, tiles), 1, bands.all);
  const int64_t rows = divide_up(p.co, k.row_multiple) * k.row_multiple;
  const int64_t row = divide_up(p.ci, k.col_multiple) * k.col_multiple, taps = p.kh * p.kw;
  const bool in_place = chunks == 1 && std::is_same_v<T, A> && rows == p.co && row == p.ci;
  const int64_t size = rows * taps * row;
  A* sums = in_place ? reinterpret_cast<A*>(t.w) : launch.scratch<A>(chunks * size);
  parallel_for(tiles * chunks, [&](int64_t task) {
    const int64_t chunk = task / tiles, ci = task % tiles / gy.count(), co = task % gy.count();
    const Range range{chunk * bands.all / chunks, (chunk + 1) * bands.all / chunks};
    k.add_bands(p, range, gy, co, x, ci, {sums + chunk * size, row, taps});
  });
  if (in_place) return;
  const int64_t grain = std::max<int64_t>(1, (1 << 14) / row);
  parallel_ranges(p.co * taps, grain, [&](int64_t begin, int64_t end) {
    k.write_rows({sums, row, taps}, chunks, size, begin, end, p.ci, t.w);
  });
}

Kernels<BFloat16, Bf16Pair> pairs_kernels() { return HWY_DYNAMIC_DISPATCH(gradient_pairs)(); }

}  // namespace

template <class T>
bool weights_gradient_pays(const Conv2dParams& p) {
  constexpr int64_t kChannels = 16;
  if (p.ci < kChannels) return false;
  if constexpr (!std::is_same_v<T, BFloat16>) return true;
  // With a single tap pairing the pixels takes longer than is gained.
  return p.kh * p.kw > 1 && pairs_kernels().pack != nullptr;
}

template <class T>
void conv2d_weights_gradient(Launch& launch, const Conv2dParams& p, const Conv2dArrays<T>& t) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    const Kernels<BFloat16, Bf16Pair> pairs = pairs_kernels();
    if (pairs.pack != nullptr && !PortableKernelsScope::active()) {
      return add_products(launch, p, t, pairs);
    }
  }
  add_products(launch, p, t, values_kernels<T>());
}

#define ITO_WEIGHTS_GRADIENT(T)                                \
  template bool weights_gradient_pays<T>(const Conv2dParams&); \
  template void conv2d_weights_gradient(Launch&, const Conv2dParams&, const Conv2dArrays<T>&);
ITO_WEIGHTS_GRADIENT(float)
ITO_WEIGHTS_GRADIENT(double)
ITO_WEIGHTS_GRADIENT(BFloat16)
#undef ITO_WEIGHTS_GRADIENT

}  // namespace ito
#endif
