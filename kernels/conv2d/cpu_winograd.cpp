#include <algorithm>

#include "engine/core/parallel.h"
#include "kernels/common/scratch_slots.h"
#include "kernels/conv2d/winograd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv2d/cpu_winograd.cpp"
#include "hwy/foreach_target.h"
#include "kernels/conv2d/winograd-inl.h"

#ifndef ITO_KERNELS_CONV2D_CPU_WINOGRAD_ONCE
#define ITO_KERNELS_CONV2D_CPU_WINOGRAD_ONCE
namespace ito::winograd {

constexpr int64_t kTile = 4, kWindow = 6, kPoints = kWindow * kWindow, kTaps = 9;

constexpr int64_t round_up(int64_t a, int64_t b) { return (a + b - 1) / b * b; }

/// Forward and dx alike: images x [n, h, w, depth] to y [n, ho, wo, width], where output (r, s)
/// reads the pixels from (r - pad_top, s - pad_left) on.
struct Filtering {
  int64_t n, h, w, depth;
  int64_t ho, wo, width;
  int64_t pad_top, pad_left;

  int64_t tiles_across() const { return (wo + kTile - 1) / kTile; }
  int64_t tiles_per_image() const { return (ho + kTile - 1) / kTile * tiles_across(); }
  int64_t tiles() const { return n * tiles_per_image(); }
};

/// The output tile `index` of all images.
struct Place {
  int64_t image, row, col;
  Place(const Filtering& f, int64_t index)
      : image(index / f.tiles_per_image()),
        row(index % f.tiles_per_image() / f.tiles_across() * kTile),
        col(index % f.tiles_across() * kTile) {}
};

/// A matrix for each of the 36 points. Planes are one cache line more than a matrix apart, lest
/// the 36 stores of a transform fall into one set of the cache.
struct Planes {
  float* data;
  int64_t row, step;  ///< from row to row, and from point to point

  Planes(float* at, int64_t rows, int64_t cols)
      : data(at), row(cols), step(size(rows, cols) / kPoints) {}
  /// Those of `other` from row 0 at `at` on.
  Planes(float* at, const Planes& other) : data(at), row(other.row), step(other.step) {}
  static int64_t size(int64_t rows, int64_t cols) { return kPoints * (rows * cols + 16); }
  float* at(int64_t point, int64_t r, int64_t c) const { return data + point * step + r * row + c; }
};

/// What one task of a filtering multiplies: tiles [first, first + count), output channels [col,
/// col + cols), cols in whole panels.
struct Block {
  int64_t first, count, col, cols;
};

/// The functions of a dtype T, for one SIMD target.
template <class T>
struct Kernels {
  void (*multiply_block)(const Filtering& f, const Block& b, const Planes& v, const float* packed,
                         const Planes& m);
  void (*write_tiles)(const Filtering& f, const Block& b, const Planes& m, const T* bias, T* y);
  void (*pack_forward_panel)(const Filtering& f, const T* w, int64_t first, float* packed);
  void (*pack_adjoint_panel)(const Filtering& f, const T* w, int64_t first, float* packed);
  void (*transform_windows)(const Filtering& f, const T* x, const T* zeros, int64_t first,
                            int64_t count, const Planes& v);
  void (*transform_gradients)(const Filtering& f, const T* gy, const T* zeros, int64_t first,
                              int64_t count, const Planes& m);
  void (*write_weights)(const Filtering& f, int64_t channel, const Planes& p, T* gw);
};

}  // namespace ito::winograd
#endif

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

using namespace winograd;

/// Images that tiles are read from; the first pixel of a tile's window lies `top` rows and `left`
/// columns before its place.
template <class T>
struct Source {
  const T *images, *zeros;
  int64_t h, w, channels;
  int64_t top, left;
};

/// Row t of `to`: the transformed window of tile first + t, with zeros for pixels outside the image
/// and for tiles past the last one.
template <class Transform, class T>
HWY_INLINE void transform_tiles(const Filtering& f, const Source<T>& from, int64_t first,
                                int64_t count, const Planes& to) {
  constexpr int64_t kSide = Transform::kFrom;
  const FloatTag d;
  for (int64_t t = 0; t < count; ++t) {
    const Place place(f, first + t);
    const T* pixels[kSide][kSide];
    for (int64_t i = 0; i < kSide; ++i) {
      for (int64_t j = 0; j < kSide; ++j) {
        const int64_t r = place.row - from.top + i, s = place.col - from.left + j;
        const bool inside = place.image < f.n && r >= 0 && r < from.h && s >= 0 && s < from.w;
        pixels[i][j] = inside
                           ? from.images + ((place.image * from.h + r) * from.w + s) * from.channels
                           : from.zeros;
      }
    }
    for (int64_t c = 0; c < from.channels; c += lanes()) {
      transform<Transform>([&](int i, int j) HWY_ATTR { return load(d, pixels[i][j] + c); },
                           [&](int i, int j, Vector y)
                               HWY_ATTR { hn::StoreU(y, d, to.at(i * kWindow + j, t, c)); });
    }
  }
}

/// B^T d B of the windows d of x.
template <class T>
void transform_windows(const Filtering& f, const T* x, const T* zeros, int64_t first, int64_t count,
                       const Planes& v) {
  const Source<T> windows{x, zeros, f.h, f.w, f.depth, f.pad_top, f.pad_left};
  transform_tiles<DataTransform>(f, windows, first, count, v);
}

/// A gy A^T of the tiles of gy.
template <class T>
void transform_gradients(const Filtering& f, const T* gy, const T* zeros, int64_t first,
                         int64_t count, const Planes& m) {
  const Source<T> tiles{gy, zeros, f.ho, f.wo, f.width, 0, 0};
  transform_tiles<OutputAdjoint>(f, tiles, first, count, m);
}

/// y = A^T m A + bias for the tiles and channels of a block.
template <class T>
void write_tiles(const Filtering& f, const Block& b, const Planes& m, const T* bias, T* y) {
  const FloatTag d;
  const int64_t last = std::min(b.count, f.tiles() - b.first);
  const int64_t cols = std::min(b.cols, f.width - b.col);
  for (int64_t t = 0; t < last; ++t) {
    const Place place(f, b.first + t);
    T* corner = y + ((place.image * f.ho + place.row) * f.wo + place.col) * f.width + b.col;
    for (int64_t c = 0; c < cols; c += lanes()) {
      const Vector shift = bias != nullptr ? load(d, bias + b.col + c) : hn::Zero(d);
      transform<OutputTransform>(
          [&](int i, int j) HWY_ATTR { return hn::LoadU(d, m.at(i * kWindow + j, t, c)); },
          [&](int i, int j, Vector v) HWY_ATTR {
            if (place.row + i >= f.ho || place.col + j >= f.wo) return;
            store(d, hn::Add(v, shift), corner + (i * f.wo + j) * f.width + c);
          });
    }
  }
}

/// Panels of packed weights: planes whose row (panel, k) holds the panel's output channels for
/// input channel k.
Planes packed_planes(const Filtering& f, float* packed) {
  return {packed, round_up(f.width, panel()) / panel() * f.depth, panel()};
}

int64_t packed_size(const Filtering& f) {
  return Planes::size(round_up(f.width, panel()) / panel() * f.depth, panel());
}

/// m = v u at every point, v being the block's transformed windows.
void multiply_block(const Filtering& f, const Block& b, const Planes& v, const float* packed,
                    const Planes& m) {
  const Planes u = packed_planes(f, const_cast<float*>(packed));
  const auto right = [&](int64_t point, int64_t col) {
    return u.at(point, (b.col + col) / panel() * f.depth, 0);
  };
  for (int64_t point = 0; point < kPoints; ++point) {
    for (int64_t col = 0; col < b.cols; col += panel()) {
      const bool last = col + panel() >= b.cols;
      multiply_panel<Order::by_row>(
          b.count, f.width - b.col - col,
          {.depth = f.depth,
           .a = v.at(point, 0, 0),
           .a_step = v.row,
           .b = right(point, col),
           .b_step = u.row,
           .c = m.at(point, 0, col),
           .c_step = m.row,
           .start = GemmStart::zero,
           .outer = {},
           .inner = {},
           .next = last ? right((point + 1) % kPoints, 0) : right(point, col + panel())});
    }
  }
}

/// Packs the panel from output channel `first` on: G g G^T with g [co, 3, 3, ci].
template <class T>
void pack_forward_panel(const Filtering& f, const T* w, int64_t first, float* packed) {
  constexpr int64_t kChannels = 16;
  constexpr int64_t kWidest = kVectors * HWY_MAX_BYTES / sizeof(float);
  const FloatTag d;
  const Planes u = packed_planes(f, packed);
  const int64_t count = std::min(panel(), f.width - first), row = first / panel() * f.depth;
  HWY_ALIGN float taps[kTaps][kChannels][kWidest] = {};
  for (int64_t k = 0; k < f.depth; k += kChannels) {
    for (int64_t o = 0; o < count; ++o) {
      for (int64_t tap = 0; tap < kTaps; ++tap) {
        const T* from = w + ((first + o) * kTaps + tap) * f.depth + k;
        for (int64_t i = 0; i < kChannels; ++i) taps[tap][i][o] = static_cast<float>(from[i]);
      }
    }
    for (int64_t i = 0; i < kChannels; ++i) {
      for (int64_t c = 0; c < panel(); c += lanes()) {
        transform<WeightsTransform>(
            [&](int a, int b) HWY_ATTR { return hn::LoadU(d, &taps[a * 3 + b][i][c]); },
            [&](int a, int b, Vector v)
                HWY_ATTR { hn::StoreU(v, d, u.at(a * kWindow + b, row + k + i, c)); });
      }
    }
  }
}

/// Packs the panel from input channel `first` on for dx: the taps turned round, the channels
/// exchanged.
template <class T>
void pack_adjoint_panel(const Filtering& f, const T* w, int64_t first, float* packed) {
  const FloatTag d;
  const Planes u = packed_planes(f, packed);
  const int64_t row = first / panel() * f.depth;
  for (int64_t k = 0; k < f.depth; ++k) {
    for (int64_t c = 0; c < panel(); c += lanes()) {
      const T* from = w + k * kTaps * f.width + first + c;
      const bool inside = first + c < f.width;
      transform<WeightsTransform>(
          [&](int a, int b) HWY_ATTR {
            return inside ? load(d, from + ((2 - a) * 3 + 2 - b) * f.width) : hn::Zero(d);
          },
          [&](int a, int b, Vector v)
              HWY_ATTR { hn::StoreU(v, d, u.at(a * kWindow + b, row + k, c)); });
    }
  }
}

int64_t panel_width() { return panel(); }

/// Rows [first, first + rows) of p[point] (+)= m^T v over `depth` tiles: p [co][ci in whole
/// panels].
void add_products(int64_t point, int64_t first, int64_t rows, int64_t depth, const Planes& m,
                  const Planes& v, const Planes& p, GemmStart start) {
  for (int64_t col = 0; col < p.row; col += panel()) {
    multiply_panel<Order::by_depth>(rows, v.row - col,
                                    {.depth = depth,
                                     .a = m.at(point, 0, first),
                                     .a_step = m.row,
                                     .b = v.at(point, 0, col),
                                     .b_step = v.row,
                                     .c = p.at(point, first, col),
                                     .c_step = p.row,
                                     .start = start});
  }
}

/// gw [co, 3, 3, ci] = G^T p G for one output channel.
template <class T>
void write_weights(const Filtering& f, int64_t channel, const Planes& p, T* gw) {
  const FloatTag d;
  for (int64_t c = 0; c < f.depth; c += lanes()) {
    transform<WeightsAdjoint>(
        [&](int i, int j) HWY_ATTR { return hn::LoadU(d, p.at(i * kWindow + j, channel, c)); },
        [&](int a, int b, Vector v)
            HWY_ATTR { store(d, v, gw + (channel * kTaps + a * 3 + b) * f.depth + c); });
  }
}

/// The functions of one dtype that are called from outside, for this target.
template <class T>
Kernels<T> make_kernels() {
  return {multiply_block,        write_tiles<T>,       pack_forward_panel<T>,
          pack_adjoint_panel<T>, transform_windows<T>, transform_gradients<T>,
          write_weights<T>};
}
Kernels<float> kernels_f32() { return make_kernels<float>(); }
Kernels<BFloat16> kernels_bf16() { return make_kernels<BFloat16>(); }

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ito {
namespace {

using namespace winograd;

HWY_EXPORT(kernels_f32);
HWY_EXPORT(kernels_bf16);
HWY_EXPORT(packed_size);
HWY_EXPORT(panel_width);
HWY_EXPORT(add_products);

template <class T>
Kernels<T> kernels() {
  if constexpr (std::is_same_v<T, float>) return HWY_DYNAMIC_DISPATCH(kernels_f32)();
  if constexpr (std::is_same_v<T, BFloat16>) return HWY_DYNAMIC_DISPATCH(kernels_bf16)();
}

Filtering filtering_of(const Conv2dParams& p, ConvDirection direction) {
  if (direction != ConvDirection::dx) {
    return {p.n, p.h, p.w, p.ci, p.ho, p.wo, p.co, p.pad_top, p.pad_left};
  }
  return {p.n, p.ho, p.wo, p.co, p.h, p.w, p.ci, p.kh - 1 - p.pad_top, p.kw - 1 - p.pad_left};
}

/// How a filtering is cut into tasks. A block has as many tiles as the second-level cache holds
/// transformed windows of, or more where the transformed weights, read once for every block, would
/// be more traffic than the windows and products beyond that cache. Where there are few blocks the
/// output channels are shared out as well.
struct Blocks {
  int64_t tiles, cols;   ///< of a block
  int64_t down, across;  ///< blocks
  int64_t padded_width;  ///< output channels in whole panels

  /// `unit`: columns of a panel.
  Blocks(const Filtering& f, int64_t unit) {
    constexpr int64_t kFloats = 6144, kEnough = 8, kRowsOfProducts = 12;
    const int64_t balanced = f.depth * f.width / (2 * (f.depth + f.width));
    const int64_t most = std::max({kFloats / f.depth, balanced, kRowsOfProducts});
    down = (f.tiles() + most - 1) / most;
    tiles = round_up((f.tiles() + down - 1) / down, kTile);
    padded_width = round_up(f.width, unit);
    const int64_t panels = padded_width / unit;
    int64_t shares = 1;
    while (down * shares < kEnough && panels > 2 * shares) shares *= 2;
    cols = (panels + shares - 1) / shares * unit;
    across = (padded_width + cols - 1) / cols;
  }
  Block block(int64_t task) const {
    const int64_t first = task / across * tiles, col = task % across * cols;
    return {first, tiles, col, std::min(cols, padded_width - col)};
  }
};

/// Zeros to read where a window reaches beyond the image.
template <class T>
const T* zeros(Launch& launch, int64_t count) {
  auto* data = launch.scratch<T>(count);
  std::fill_n(data, count, T{});
  return data;
}

/// The transformed windows of all blocks, one after the other.
template <class T>
void transform_shared(const Kernels<T>& k, const Filtering& f, const Blocks& blocks, const T* x,
                      const T* zeros, float* to) {
  constexpr int64_t kTilesPerTask = 4;
  const int64_t v_size = Planes::size(blocks.tiles, f.depth);
  parallel_ranges(blocks.down * blocks.tiles / kTilesPerTask, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t tile = i * kTilesPerTask, block = tile / blocks.tiles;
      const Planes v(to + block * v_size, blocks.tiles, f.depth);
      k.transform_windows(f, x, zeros, tile, kTilesPerTask, {v.at(0, tile % blocks.tiles, 0), v});
    }
  });
}

template <class T>
void filter(Launch& launch, ConvDirection direction, const Filtering& f, const Conv2dArrays<T>& t) {
  const Kernels<T> k = kernels<T>();
  const int64_t unit = HWY_DYNAMIC_DISPATCH(panel_width)();
  const bool forward = direction == ConvDirection::forward;
  const auto pack = [&](void* to) {
    const auto pack_panel = forward ? k.pack_forward_panel : k.pack_adjoint_panel;
    parallel_for(round_up(f.width, unit) / unit,
                 [&](int64_t i) { pack_panel(f, t.w, i * unit, static_cast<float*>(to)); });
  };
  const int64_t size = HWY_DYNAMIC_DISPATCH(packed_size)(f);
  constexpr int64_t kKind = -1;  // no key of a direct convolution begins with it
  const auto packed =
      packed_weights(launch, t, {kKind, static_cast<int64_t>(direction), f.depth, f.width},
                     static_cast<size_t>(size) * sizeof(float), std::ref(pack));
  const Blocks blocks(f, unit);
  const T *x = forward ? t.x : t.y, *bias = forward ? t.bias : nullptr;
  const T* nothing = zeros<T>(launch, f.depth);
  const int64_t v_size = Planes::size(blocks.tiles, f.depth);
  const int64_t m_size = Planes::size(blocks.tiles, blocks.cols);
  // Windows that several tasks multiply are transformed beforehand.
  const bool shared = blocks.across > 1;
  auto* windows = shared ? launch.scratch<float>(blocks.down * v_size) : nullptr;
  const auto transform_block = [&](int64_t down, float* to) {
    const Planes v(to, blocks.tiles, f.depth);
    k.transform_windows(f, x, nothing, down * blocks.tiles, blocks.tiles, v);
    return v;
  };
  if (shared) transform_shared(k, f, blocks, x, nothing, windows);
  const int64_t tasks = blocks.down * blocks.across;
  ScratchSlots<float> slots(launch, tasks, m_size + (shared ? 0 : v_size));
  parallel_for(tasks, [&](int64_t task) {
    slots.with([&](float* scratch) {
      const Block b = blocks.block(task);
      const Planes m(scratch, b.count, b.cols);
      const int64_t down = task / blocks.across;
      const Planes v = shared ? Planes(windows + down * v_size, b.count, f.depth)
                              : transform_block(down, scratch + m_size);
      k.multiply_block(f, b, v, static_cast<const float*>(packed.get()), m);
      k.write_tiles(f, b, m, bias, forward ? t.y : t.x);
    });
  });
}

/// gw = G^T [sum over tiles of (A gy A^T)^T (B^T x B)] G, a group of tiles at a time.
template <class T>
void weights_gradient(Launch& launch, const Filtering& f, const Conv2dArrays<T>& t) {
  constexpr int64_t kFloats = 8 << 20, kTilesPerTask = 8, kRowsPerTask = 48, kFewest = 48;
  const Kernels<T> k = kernels<T>();
  const int64_t unit = HWY_DYNAMIC_DISPATCH(panel_width)();
  const int64_t most = std::max(kFloats / (kPoints * (f.depth + f.width)), kFewest);
  const int64_t group = std::min(most, f.tiles());
  const auto planes = [&](int64_t rows, int64_t cols) {
    return Planes(launch.scratch<float>(Planes::size(rows, cols)), rows, cols);
  };
  const Planes v = planes(group, f.depth), m = planes(group, f.width);
  const Planes sums = planes(f.width, round_up(f.depth, unit));
  const T* nothing = zeros<T>(launch, std::max(f.depth, f.width));
  const int64_t row_tasks = (f.width + kRowsPerTask - 1) / kRowsPerTask;
  for (int64_t first = 0; first < f.tiles(); first += group) {
    const int64_t count = std::min(group, f.tiles() - first);
    parallel_ranges(count, kTilesPerTask, [&](int64_t begin, int64_t end) {
      const Planes rows_v{v.at(0, begin, 0), v}, rows_m{m.at(0, begin, 0), m};
      k.transform_windows(f, t.x, nothing, first + begin, end - begin, rows_v);
      k.transform_gradients(f, t.y, nothing, first + begin, end - begin, rows_m);
    });
    parallel_for(kPoints * row_tasks, [&](int64_t task) {
      const int64_t row = task % row_tasks * kRowsPerTask;
      HWY_DYNAMIC_DISPATCH(add_products)
      (task / row_tasks, row, std::min(kRowsPerTask, f.width - row), count, m, v, sums,
       first == 0 ? GemmStart::zero : GemmStart::result);
    });
  }
  parallel_for(f.width, [&](int64_t channel) { k.write_weights(f, channel, sums, t.w); });
}

}  // namespace

bool winograd_fits(const Conv2dParams& p) {
  constexpr int64_t kLanes = 16;
  return p.kh == 3 && p.kw == 3 && p.stride == 1 && p.dilation == 1 && p.ci % kLanes == 0 &&
         p.co % kLanes == 0 && p.weights() > 0 && p.n > 0;
}

template <class T>
void conv2d_winograd(Launch& launch, ConvDirection direction, const Conv2dParams& p,
                     const Conv2dArrays<T>& t) {
  const Filtering f = filtering_of(p, direction);
  if (direction == ConvDirection::dw) return weights_gradient(launch, f, t);
  filter(launch, direction, f, t);
}

template void conv2d_winograd(Launch&, ConvDirection, const Conv2dParams&,
                              const Conv2dArrays<float>&);
template void conv2d_winograd(Launch&, ConvDirection, const Conv2dParams&,
                              const Conv2dArrays<BFloat16>&);

}  // namespace ito
#endif
