// What the GPU kernels of group_norm_silu share: activation, its derivative, and dropout.
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
