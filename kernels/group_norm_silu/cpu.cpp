// Two passes over x: statistics, then normalise and activate (slabs-inl.h).
#include "kernels/group_norm_silu/cpu.h"

#include <algorithm>

#include "engine/core/parallel.h"
#include "kernels/common/sampler_update.h"
#include "kernels/common/scratch_slots.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/group_norm_silu/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/group_norm_silu/slabs-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

/// factors[i] = what dropout multiplies element first + i of sample n by.
template <class A>
void fill_factors(const GroupNormParams& p, int64_t n, int64_t first, int64_t count, A* factors) {
  float uniform[kNoiseTile];
  const uint32_t sample = sample_counter(p.indices[n]);
  const auto rate = static_cast<float>(p.drop_rate);
  const auto scale = static_cast<A>(1 / (1 - p.drop_rate));
  for (int64_t at = 0; at < count; at += kNoiseTile) {
    const int64_t size = std::min(kNoiseTile, count - at);
    fill_uniform(std::span(uniform, static_cast<size_t>(size)), p.drop_key, sample,
                 static_cast<uint32_t>(first + at));
    for (int64_t i = 0; i < size; ++i) factors[at + i] = uniform[i] >= rate ? scale : A(0);
  }
}

/// The same with the slab's dropout factors, or null: body(sample, slab, first, pixels, factors).
template <class A, class Body>
void for_slabs_with_factors(Launch& launch, const GroupNormParams& p, Body body) {
  if (p.indices == nullptr) {
    return for_slabs(p, [&](int64_t n, int64_t slab, int64_t first, int64_t pixels) {
      body(n, slab, first, pixels, static_cast<const A*>(nullptr));
    });
  }
  ScratchSlots<A> slots(launch, p.samples * slabs_of(p),
                        std::min(slab_pixels(p), p.pixels) * p.channels);
  for_slabs(p, [&](int64_t n, int64_t slab, int64_t first, int64_t pixels) {
    slots.with([&](A* factors) {
      fill_factors(p, n, first * p.channels, pixels * p.channels, factors);
      body(n, slab, first, pixels, static_cast<const A*>(factors));
    });
  });
}

template <class T>
void forward(Launch& launch, const GroupNormParams& p, const GroupNormForward<T>& t) {
  using A = Acc<T>;
  const int64_t c = p.channels, image = p.pixels * c;
  A* channels = launch.scratch<A>(p.samples * 4 * c);
  measure(launch, p, t, channels);
  for_slabs_with_factors<A>(
      launch, p, [&](int64_t n, int64_t, int64_t first, int64_t pixels, const A* factors) {
        const int64_t at = n * image + first * c;
        apply_slab(p, t.x + at, t.y + at, pixels, channels_at(channels, n, c), factors);
      });
}

/// dz = gy * act'(z) for one vector.
template <bool kSilu, class D, class V>
HWY_INLINE V activation_gradient(D d, V gy, V z) {
  if constexpr (!kSilu) return gy;
  const V one = hn::Set(d, 1);
  const V s = sigmoid_of_number(d, z);
  return hn::Mul(gy, hn::Mul(s, hn::MulAdd(z, hn::Sub(one, s), one)));
}

/// Sums over the slab's pixels of dz, dz * xhat and xhat, per channel: sums [3, C].
template <bool kSilu, class T, class A = Acc<T>>
void slab_sums(int64_t channels, const T* gy, const T* x, int64_t pixels, Channels<A> k, A* sums) {
  const Tag<T> d;
  for_channels(d, channels, [&](int64_t c, auto n) HWY_ATTR {
    const auto centre = load_some(d, k.centre + c, n), scale = load_some(d, k.scale + c, n);
    const auto bias = load_some(d, k.bias + c, n), rstd = load_some(d, k.rstd + c, n);
    auto s_dz = hn::Zero(d), s_dzx = hn::Zero(d), s_x = hn::Zero(d);
    for (int64_t i = 0; i < pixels; ++i) {
      const int64_t at = i * channels + c;
      const auto centred = hn::Sub(load_some(d, x + at, n), centre);
      const auto z = hn::MulAdd(centred, scale, bias);
      const auto dz = activation_gradient<kSilu>(d, load_some(d, gy + at, n), z);
      const auto xhat = hn::Mul(centred, rstd);
      s_dz = hn::Add(s_dz, dz);
      s_dzx = hn::MulAdd(dz, xhat, s_dzx);
      s_x = hn::Add(s_x, xhat);
    }
    store_some(d, s_dz, sums + c, n);
    store_some(d, s_dzx, sums + channels + c, n);
    store_some(d, s_x, sums + 2 * channels + c, n);
  });
}

/// gx = rstd (w dz - A - xhat B) with the group means A of w dz and B of w dz xhat (a_b [2, C]).
template <bool kSilu, class T, class A = Acc<T>>
void input_gradient_slab(int64_t channels, const T* gy, const T* x, T* gx, int64_t pixels,
                         Channels<A> k, const A* a_b) {
  const Tag<T> d;
  write_pixels(d, channels, pixels, gx, [&](int64_t c, auto n) HWY_ATTR {
    const auto centre = load_some(d, k.centre + c, n), scale = load_some(d, k.scale + c, n);
    const auto bias = load_some(d, k.bias + c, n), rstd = load_some(d, k.rstd + c, n);
    const auto ra = hn::Mul(rstd, load_some(d, a_b + c, n));
    const auto rb = hn::Mul(hn::Mul(rstd, rstd), load_some(d, a_b + channels + c, n));
    return [=](int64_t at) HWY_ATTR {
      const auto centred = hn::Sub(load_some(d, x + at, n), centre);
      const auto z = hn::MulAdd(centred, scale, bias);
      const auto dz = activation_gradient<kSilu>(d, load_some(d, gy + at, n), z);
      return hn::Sub(hn::MulSub(scale, dz, ra), hn::Mul(centred, rb));
    };
  });
}

/// Adds up the slabs of one sample into totals [3, C], and the group means A, B into a_b [2, C].
template <class T, class A = Acc<T>>
void finish_sums(const GroupNormParams& p, const A* slab_totals, const T* w, A* totals, A* a_b) {
  const int64_t c3 = 3 * p.channels, d = p.channels_per_group();
  std::copy_n(slab_totals, c3, totals);
  for (int64_t s = 1; s < slabs_of(p); ++s) {
    for (int64_t i = 0; i < c3; ++i) totals[i] += slab_totals[s * c3 + i];
  }
  for (int64_t g = 0; g < p.groups; ++g) {
    double a = 0, b = 0;
    for (int64_t c = g * d; c < (g + 1) * d; ++c) {
      a += static_cast<double>(w[c]) * static_cast<double>(totals[c]);
      b += static_cast<double>(w[c]) * static_cast<double>(totals[p.channels + c]);
    }
    for (int64_t c = g * d; c < (g + 1) * d; ++c) {
      a_b[c] = static_cast<A>(a / static_cast<double>(p.group_size()));
      a_b[p.channels + c] = static_cast<A>(b / static_cast<double>(p.group_size()));
    }
  }
}

template <class T, class A = Acc<T>>
void parameter_gradients(const GroupNormParams& p, const GroupNormBackward<T>& t, const A* totals,
                         const A* a_b) {
  const int64_t channels = p.channels, d = p.channels_per_group();
  for (int64_t c = 0; c < channels; ++c) {
    A gb = 0, gw = 0;
    for (int64_t n = 0; n < p.samples; ++n) {
      const A* s = totals + n * 3 * channels;
      gb += s[c];
      gw += s[channels + c];
      if (t.gshift == nullptr) continue;
      const A rstd = t.stats[2 * (n * p.groups + c / d) + 1];
      const A* ab = a_b + n * 2 * channels;
      t.gshift[n * channels + c] =
          static_cast<T>(rstd * (static_cast<A>(t.w[c]) * s[c] - static_cast<A>(p.pixels) * ab[c] -
                                 ab[channels + c] * s[2 * channels + c]));
    }
    if (t.gb != nullptr) t.gb[c] = static_cast<T>(gb);
    if (t.gw != nullptr) t.gw[c] = static_cast<T>(gw);
  }
}

/// to[i] = from[i] * factors[i].
template <class T, class A = Acc<T>>
void drop_slab(const T* from, const A* factors, int64_t count, T* to) {
  const Tag<T> d;
  for_channels(d, count, [&](int64_t i, auto n) HWY_ATTR {
    store_some(d, hn::Mul(load_some(d, from + i, n), load_some(d, factors + i, n)), to + i, n);
  });
}

template <class T>
void backward(Launch& launch, const GroupNormParams& p, const GroupNormBackward<T>& t) {
  using A = Acc<T>;
  const int64_t c = p.channels, slabs = slabs_of(p), image = p.pixels * c;
  A* channels = launch.scratch<A>(p.samples * 4 * c);
  A* slab_totals = launch.scratch<A>(p.samples * slabs * 3 * c);
  A* totals = launch.scratch<A>(p.samples * 3 * c);
  A* a_b = launch.scratch<A>(p.samples * 2 * c);
  const bool is_silu = p.activation == 0;
  const auto sums_of = is_silu ? slab_sums<true, T> : slab_sums<false, T>;
  const auto input_gradient =
      is_silu ? input_gradient_slab<true, T> : input_gradient_slab<false, T>;
  // What dropout lets through stands where gx will be, so that the mask is made once.
  T* passed = t.gx;
  if (p.indices != nullptr && passed == nullptr) passed = launch.scratch<T>(p.samples * image);
  const T* gy = p.indices != nullptr ? passed : t.gy;
  parallel_for(p.samples, [&](int64_t n) {
    const T* shift = t.shift != nullptr ? t.shift + n * c : nullptr;
    fill_channels(p, t.w, t.b, shift, t.stats + n * p.groups * 2, channels_at(channels, n, c));
  });
  for_slabs_with_factors<A>(
      launch, p, [&](int64_t n, int64_t slab, int64_t first, int64_t pixels, const A* factors) {
        const int64_t at = n * image + first * c;
        if (factors != nullptr) drop_slab(t.gy + at, factors, pixels * c, passed + at);
        sums_of(c, gy + at, t.x + at, pixels, channels_at(channels, n, c),
                slab_totals + (n * slabs + slab) * 3 * c);
      });
  parallel_for(p.samples, [&](int64_t n) {
    finish_sums(p, slab_totals + n * slabs * 3 * c, t.w, totals + n * 3 * c, a_b + n * 2 * c);
  });
  parameter_gradients(p, t, totals, a_b);
  if (t.gx == nullptr) return;
  for_slabs(p, [&](int64_t n, int64_t, int64_t first, int64_t pixels) {
    const int64_t at = n * image + first * c;
    input_gradient(c, gy + at, t.x + at, t.gx + at, pixels, channels_at(channels, n, c),
                   a_b + n * 2 * c);
  });
}

void forward_f32(Launch& l, const GroupNormParams& p, const GroupNormForward<float>& t) {
  forward(l, p, t);
}
void forward_bf16(Launch& l, const GroupNormParams& p, const GroupNormForward<BFloat16>& t) {
  forward(l, p, t);
}
void forward_f64(Launch& l, const GroupNormParams& p, const GroupNormForward<double>& t) {
  forward(l, p, t);
}
void backward_f32(Launch& l, const GroupNormParams& p, const GroupNormBackward<float>& t) {
  backward(l, p, t);
}
void backward_bf16(Launch& l, const GroupNormParams& p, const GroupNormBackward<BFloat16>& t) {
  backward(l, p, t);
}
void backward_f64(Launch& l, const GroupNormParams& p, const GroupNormBackward<double>& t) {
  backward(l, p, t);
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ito {

HWY_EXPORT(forward_f32);
HWY_EXPORT(forward_bf16);
HWY_EXPORT(forward_f64);
HWY_EXPORT(backward_f32);
HWY_EXPORT(backward_bf16);
HWY_EXPORT(backward_f64);

void group_norm_silu_cpu(Launch& l, const GroupNormParams& p, const GroupNormForward<float>& t) {
  HWY_DYNAMIC_DISPATCH(forward_f32)(l, p, t);
}
void group_norm_silu_cpu(Launch& l, const GroupNormParams& p, const GroupNormForward<BFloat16>& t) {
  HWY_DYNAMIC_DISPATCH(forward_bf16)(l, p, t);
}
void group_norm_silu_cpu(Launch& l, const GroupNormParams& p, const GroupNormForward<double>& t) {
  HWY_DYNAMIC_DISPATCH(forward_f64)(l, p, t);
}
void group_norm_silu_backward_cpu(Launch& l, const GroupNormParams& p,
                                  const GroupNormBackward<float>& t) {
  HWY_DYNAMIC_DISPATCH(backward_f32)(l, p, t);
}
void group_norm_silu_backward_cpu(Launch& l, const GroupNormParams& p,
                                  const GroupNormBackward<BFloat16>& t) {
  HWY_DYNAMIC_DISPATCH(backward_bf16)(l, p, t);
}
void group_norm_silu_backward_cpu(Launch& l, const GroupNormParams& p,
                                  const GroupNormBackward<double>& t) {
  HWY_DYNAMIC_DISPATCH(backward_f64)(l, p, t);
}

}  // namespace ito
#endif
