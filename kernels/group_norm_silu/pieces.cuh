// What the GPU kernels of group_norm_silu share: activation, its derivative, dropout, and the
// arithmetic of a thread's channels.
#pragma once

#include "kernels/common/gpu_kernels.h"
#include "kernels/common/sample_quads.cuh"
#include "kernels/group_norm_silu/op.h"

namespace ito::ITO_GPU_NS {

/// 1 / (1 + exp(-x)), without overflow.
DEV float sigmoid(float x) {
  const float e = gpu::exp_approx(x < 0 ? x : -x);
  return gpu::div_approx(x < 0 ? e : 1.0f, 1.0f + e);
}

/// act(z) for SiLU or the identity.
DEV float activated(bool silu, float z) { return silu ? z * sigmoid(z) : z; }

/// gy act'(z).
DEV float activation_gradient(bool silu, float gy, float z) {
  if (!silu) return gy;
  const float s = sigmoid(z);
  return gy * (s * gpu::fma_rn(z, 1.0f - s, 1.0f));
}

/// V channels of a thread: z = (x - centre) scale + bias, xhat = (x - centre) rstd.
template <int V>
struct Channels {
  float centre[V], scale[V], bias[V], rstd[V];

  /// `stats`: mean and 1 / sqrt(var + eps) of the channel's group of x + shift.
  DEV void set(int i, const float* stats, float w, float b, float shift) {
    rstd[i] = stats[1];
    centre[i] = stats[0] - shift;
    scale[i] = w * rstd[i];
    bias[i] = b;
  }
  DEV void activate(bool silu, float (&value)[V]) const {
#pragma unroll
    for (int i = 0; i < V; ++i) {
      value[i] = activated(silu, gpu::fma_rn(value[i] - centre[i], scale[i], bias[i]));
    }
  }
  /// Adds dz, dz xhat and xhat, where dz = seed act'(z).
  DEV void add_sums(bool silu, const float (&value)[V], const float (&seed)[V],
                    float (&sum)[3][V]) const {
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const float centred = value[i] - centre[i], xhat = centred * rstd[i];
      const float dz = activation_gradient(silu, seed[i], gpu::fma_rn(centred, scale[i], bias[i]));
      sum[0][i] += dz;
      sum[1][i] = gpu::fma_rn(dz, xhat, sum[1][i]);
      sum[2][i] += xhat;
    }
  }
  /// value becomes gx = rstd (w dz - A - xhat B), A and B the group means of w dz and w dz xhat.
  DEV void input_gradient(bool silu, float (&value)[V], const float (&seed)[V],
                          const float (&mean_a)[V], const float (&mean_b)[V]) const {
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const float centred = value[i] - centre[i], xhat = centred * rstd[i];
      const float dz = activation_gradient(silu, seed[i], gpu::fma_rn(centred, scale[i], bias[i]));
      value[i] = scale[i] * dz - rstd[i] * (mean_a[i] + xhat * mean_b[i]);
    }
  }
};

/// The mask of the op dropout, made again wherever it is needed. samples null: none.
struct Mask {
  const std::int64_t* samples;
  float rate, scale;
  NoiseKey key;

  DEV float factor(std::uint32_t bits) const { return uniform1(bits) >= rate ? scale : 0.0f; }

  /// Multiplies V neighbours by their factors; V is 1 or a multiple of 4, like `element`, which
  /// counts inside the sample. A sample index beyond 32 bits gives NaN.
  template <int V>
  DEV void apply(std::size_t sample, std::uint32_t element, float (&value)[V]) const {
    if (samples == nullptr) return;
    const std::int64_t index = samples[sample];
    const auto counter = static_cast<std::uint32_t>(index);
    if constexpr (V == 1) {
      value[0] *= factor(noise_bits(key, counter, element / 4).v[element % 4]);
    } else {
#pragma unroll
      for (unsigned q = 0; q < V / 4; ++q) {
        const U32x4 bits = noise_bits(key, counter, element / 4 + q);
#pragma unroll
        for (unsigned i = 0; i < 4; ++i) value[4 * q + i] *= factor(bits.v[i]);
      }
    }
#pragma unroll
    for (int i = 0; i < V; ++i) {
      value[i] = gpu::is_counter(index) ? value[i] : gpu::quiet_nan();
    }
  }
};

inline Mask mask_of(const ops::GroupNormAttrs& a, const Tensor& samples) {
  if (a.dropout.rate == 0) return {};
  return {gpu::elements_of<std::int64_t>(samples), static_cast<float>(a.dropout.rate),
          static_cast<float>(1 / (1 - a.dropout.rate)), a.dropout.key};
}

/// Tensors of a launch, as their first elements. Optional ones may be null.
template <class T>
struct ForwardTensors {
  const T *x, *w, *b, *shift;
  T* y;
  float* stats;  ///< [N, G, 2]: mean and 1 / sqrt(var + eps) of x + shift
  Mask mask;
};
template <class T>
struct BackwardTensors {
  const T *gy, *x, *w, *b, *shift;
  const float* stats;
  T *gx, *gw, *gb, *gshift;
  float* totals;  ///< scratch [N, 2, C]: sums over pixels of dz and dz xhat
  Mask mask;
};

}  // namespace ito::ITO_GPU_NS
