// The pieces of group_norm_silu's forward pass. Work is cut into (sample, slab of pixels) pieces of
// a fixed size; a slab's per-channel means and centred sums of squares are merged in order by the
// pairwise formula of Chan, Golub & LeVeque (1983), so nothing ever subtracts two large squares.
// Included by cpu.cpp files after hwy/foreach_target.h, once for every target; hence the guard that
// toggles.
#if defined(ITO_KERNELS_GROUP_NORM_SILU_SLABS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ITO_KERNELS_GROUP_NORM_SILU_SLABS_INL_H_
#undef ITO_KERNELS_GROUP_NORM_SILU_SLABS_INL_H_
#else
#define ITO_KERNELS_GROUP_NORM_SILU_SLABS_INL_H_
#endif

#include <algorithm>
#include <cmath>

#include "engine/core/parallel.h"
#include "kernels/common/simd_math-inl.h"
#include "kernels/group_norm_silu/cpu.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

constexpr int64_t kPiece = 1 << 12;  // values that are read and written together: 32 KiB in float
constexpr int64_t kBlock = 16;       // pixels whose mean and squares are taken together, from L1

inline int64_t slab_pixels(const GroupNormParams& p) {
  const int64_t pixels = std::max<int64_t>((1 << 16) / p.channels, 1);
  return (pixels + kBlock - 1) / kBlock * kBlock;
}
inline int64_t slabs_of(const GroupNormParams& p) {
  const int64_t size = slab_pixels(p);
  return (p.pixels + size - 1) / size;
}

/// What a vector of channels covers: all its lanes, or the first few at the end of a row. They are
/// types, so that the loop over whole vectors asks nothing.
struct AllLanes {};
struct SomeLanes {
  size_t count;
};

/// Calls body(c, lanes) for vectors of channels.
template <class D, class Body>
HWY_INLINE void for_channels(D d, int64_t channels, Body body) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) body(c, AllLanes{});
  if (c < channels) body(c, SomeLanes{static_cast<size_t>(channels - c)});
}

template <class D, class T>
HWY_INLINE hn::Vec<D> load_some(D d, const T* p, AllLanes) {
  return load(d, p);
}
template <class D, class T>
HWY_INLINE hn::Vec<D> load_some(D d, const T* p, SomeLanes n) {
  return load_n(d, p, n.count);
}
template <class D, class V, class T>
HWY_INLINE void store_some(D d, V v, T* p, AllLanes) {
  store(d, v, p);
}
template <class D, class V, class T>
HWY_INLINE void store_some(D d, V v, T* p, SomeLanes n) {
  store_n(d, v, p, n.count);
}

/// y[i, c] = value(i * channels + c) with value = values(c, lanes), which holds what belongs to the
/// channels, for all pixels and channels: in pieces that stay in L1, channel after channel.
template <class D, class T, class Values>
HWY_INLINE void write_pixels(D d, int64_t channels, int64_t pixels, T* y, Values values) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t piece = std::max<int64_t>(kPiece / channels, 1) * channels;
  for (int64_t begin = 0; begin < pixels * channels; begin += piece) {
    const int64_t end = std::min(begin + piece, pixels * channels);
    int64_t c = 0;
    for (; c + 2 * lanes <= channels; c += 2 * lanes) {
      const auto value = values(c, AllLanes{}), next = values(c + lanes, AllLanes{});
      for (int64_t at = begin + c; at < end; at += channels) {
        store_two(d, value(at), next(at + lanes), y + at);
      }
    }
    for_channels(d, channels - c, [&](int64_t rest, auto n) HWY_ATTR {
      const auto value = values(c + rest, n);
      for (int64_t at = begin + c + rest; at < end; at += channels) {
        store_some(d, value(at), y + at, n);
      }
    });
  }
}

/// Mean and centred sum of squares of each channel over `pixels` pixels: mean[C], m2[C].
template <class T, class A = Acc<T>>
void slab_moments(const T* x, int64_t pixels, int64_t channels, A* mean, A* m2) {
  const Tag<T> d;
  for_channels(d, channels, [&](int64_t c, auto n) HWY_ATTR {
    auto total_mean = hn::Zero(d), total_m2 = hn::Zero(d);
    for (int64_t first = 0; first < pixels; first += kBlock) {
      const int64_t count = std::min(kBlock, pixels - first);
      const T* px = x + first * channels + c;
      auto sum = hn::Zero(d);
      for (int64_t i = 0; i < count; ++i) sum = hn::Add(sum, load_some(d, px + i * channels, n));
      const auto block_mean = hn::Mul(sum, hn::Set(d, A(1) / static_cast<A>(count)));
      auto squares = hn::Zero(d);
      for (int64_t i = 0; i < count; ++i) {
        const auto diff = hn::Sub(load_some(d, px + i * channels, n), block_mean);
        squares = hn::MulAdd(diff, diff, squares);
      }
      const A before = static_cast<A>(first), after = static_cast<A>(first + count);
      const auto delta = hn::Sub(block_mean, total_mean);
      total_mean = hn::MulAdd(delta, hn::Set(d, static_cast<A>(count) / after), total_mean);
      const auto cross =
          hn::Mul(hn::Mul(delta, delta), hn::Set(d, before * static_cast<A>(count) / after));
      total_m2 = hn::Add(total_m2, hn::Add(squares, cross));
    }
    store_some(d, total_mean, mean + c, n);
    store_some(d, total_m2, m2 + c, n);
  });
}

/// Statistics of one sample's groups from the moments of its slabs [slabs, 2, C].
template <class T, class A = Acc<T>>
void merge_moments(const GroupNormParams& p, const A* moments, const T* shift, A* stats) {
  const int64_t slabs = slabs_of(p), size = slab_pixels(p), d = p.channels_per_group();
  for (int64_t g = 0; g < p.groups; ++g) {
    double count = 0, mean = 0, m2 = 0;
    for (int64_t c = g * d; c < (g + 1) * d; ++c) {
      for (int64_t s = 0; s < slabs; ++s) {
        const A* slab = moments + s * 2 * p.channels;
        const auto n = static_cast<double>(std::min(size, p.pixels - s * size));
        const double value =
            static_cast<double>(slab[c]) + (shift != nullptr ? static_cast<double>(shift[c]) : 0.0);
        const double delta = value - mean;
        mean += delta * n / (count + n);
        m2 += static_cast<double>(slab[p.channels + c]) + delta * delta * count * n / (count + n);
        count += n;
      }
    }
    stats[2 * g] = static_cast<A>(mean);
    stats[2 * g + 1] = static_cast<A>(1 / std::sqrt(m2 / count + p.eps));
  }
}

/// Per-channel numbers of one sample: u - mu = x - centre, z = (x - centre) * scale + bias.
template <class A>
struct Channels {
  A *centre, *scale, *bias, *rstd;
};

template <class T, class A = Acc<T>>
void fill_channels(const GroupNormParams& p, const T* w, const T* b, const T* shift, const A* stats,
                   const Channels<A>& k) {
  const int64_t d = p.channels_per_group();
  for (int64_t c = 0; c < p.channels; ++c) {
    const A mean = stats[2 * (c / d)], rstd = stats[2 * (c / d) + 1];
    k.centre[c] = mean - (shift != nullptr ? static_cast<A>(shift[c]) : A(0));
    k.scale[c] = static_cast<A>(w[c]) * rstd;
    k.bias[c] = static_cast<A>(b[c]);
    k.rstd[c] = rstd;
  }
}

template <class A>
Channels<A> channels_at(A* base, int64_t sample, int64_t c) {
  A* p = base + sample * 4 * c;
  return {p, p + c, p + 2 * c, p + 3 * c};
}

/// Runs body(sample, slab, first pixel, pixels) over all pieces.
template <class Body>
void for_slabs(const GroupNormParams& p, Body body) {
  const int64_t slabs = slabs_of(p), size = slab_pixels(p);
  parallel_for(p.samples * slabs, [&](int64_t task) {
    const int64_t sample = task / slabs, slab = task % slabs, first = slab * size;
    body(sample, slab, first, std::min(size, p.pixels - first));
  });
}

/// The first pass: stats [N, G, 2], and the numbers per channel of every sample, [N, 4, C].
template <class T, class A = Acc<T>>
void measure(Launch& launch, const GroupNormParams& p, const GroupNormForward<T>& t, A* channels) {
  const int64_t c = p.channels, slabs = slabs_of(p), image = p.pixels * c;
  A* moments = launch.scratch<A>(p.samples * slabs * 2 * c);
  for_slabs(p, [&](int64_t n, int64_t slab, int64_t first, int64_t pixels) {
    A* m = moments + (n * slabs + slab) * 2 * c;
    slab_moments(t.x + n * image + first * c, pixels, c, m, m + c);
  });
  parallel_for(p.samples, [&](int64_t n) {
    const T* shift = t.shift != nullptr ? t.shift + n * c : nullptr;
    A* stats = t.stats + n * p.groups * 2;
    merge_moments(p, moments + n * slabs * 2 * c, shift, stats);
    fill_channels(p, t.w, t.b, shift, stats, channels_at(channels, n, c));
  });
}

/// apply_slab for one activation, with or without factors.
template <bool kSilu, bool kFactors, class T, class Out, class A = Acc<T>>
void apply_rows(int64_t channels, const T* x, Out* y, int64_t pixels, Channels<A> k,
                const A* factors) {
  const Tag<T> d;
  write_pixels(d, channels, pixels, y, [&](int64_t c, auto n) HWY_ATTR {
    const auto centre = load_some(d, k.centre + c, n), scale = load_some(d, k.scale + c, n);
    const auto bias = load_some(d, k.bias + c, n);
    return [=](int64_t at) HWY_ATTR {
      auto value = hn::MulAdd(hn::Sub(load_some(d, x + at, n), centre), scale, bias);
      if constexpr (kSilu) value = silu(d, value);
      if constexpr (kFactors) value = hn::Mul(value, load_some(d, factors + at, n));
      return value;
    };
  });
}

/// y = act(z) factor in the dtype of y. factors [pixels, C], or null.
template <class T, class Out, class A = Acc<T>>
void apply_slab(const GroupNormParams& p, const T* x, Out* y, int64_t pixels, const Channels<A>& k,
                const A* factors) {
  const int64_t c = p.channels;
  const bool is_silu = p.activation == 0;
  if (is_silu && factors == nullptr) return apply_rows<true, false>(c, x, y, pixels, k, factors);
  if (is_silu) return apply_rows<true, true>(c, x, y, pixels, k, factors);
  if (factors == nullptr) return apply_rows<false, false>(c, x, y, pixels, k, factors);
  apply_rows<false, true>(c, x, y, pixels, k, factors);
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#endif
