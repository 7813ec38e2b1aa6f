// Noise as a pure function of (seed, purpose, step, global sample index, element). A value never
// depends on the batch, thread, rank or device that asks for it, and there is no generator state to
// save. Key of Philox = seed; counter = {element / 4, sample, step, purpose}; element = logical
// NHWC index inside the sample, before any padding.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/random/normal.h"
#include "engine/random/philox.h"

namespace ito {

/// What a stream of noise is for, so that no two uses share numbers. The values are part of the
/// format of checkpoints and results: append only.
enum class Purpose : uint32_t {
  init,
  forward_noise,
  predictor,
  corrector,
  dropout,
  time,
  probe,
  data,
  prior,
  denoise,
  constraint,
  label
};

/// One stream of noise: everything but the sample and the element.
struct NoiseKey {
  uint64_t seed = 0;
  Purpose purpose = Purpose::init;
  uint32_t step = 0;
};

/// The bits of elements 4 block ... 4 block + 3 of a sample.
ITO_HD constexpr U32x4 noise_bits(NoiseKey key, uint32_t sample, uint32_t block) {
  return philox4x32_10({{block, sample, key.step, static_cast<uint32_t>(key.purpose)}}, key.seed);
}

/// Element `element` of sample `sample`, N(0, 1).
ITO_HD inline float normal_at(NoiseKey key, uint32_t sample, uint32_t element) {
  return normal4(noise_bits(key, sample, element / 4)).v[element % 4];
}

/// The same for uniforms in [0, 1).
ITO_HD inline float uniform_at(NoiseKey key, uint32_t sample, uint32_t element) {
  return uniform1(noise_bits(key, sample, element / 4).v[element % 4]);
}

/// The same for +1 and -1.
ITO_HD inline float rademacher_at(NoiseKey key, uint32_t sample, uint32_t element) {
  return rademacher1(noise_bits(key, sample, element / 4).v[element % 4]);
}

/// out[i] = the value of element first_element + i of `sample`, bit for bit what normal_at,
/// uniform_at and rademacher_at give, for any offset and length. The fp64 overload holds the fp32
/// values, widened. Throws ValueError when an element index would not fit in 32 bits.
void fill_normal(std::span<float> out, NoiseKey key, uint32_t sample, uint32_t first_element = 0);
void fill_normal(std::span<double> out, NoiseKey key, uint32_t sample, uint32_t first_element = 0);
void fill_uniform(std::span<float> out, NoiseKey key, uint32_t sample, uint32_t first_element = 0);
void fill_rademacher(std::span<float> out, NoiseKey key, uint32_t sample,
                     uint32_t first_element = 0);

/// A random order of 0 ... n - 1, fixed by the key alone: the shuffle of Fisher and Yates
/// (Durstenfeld 1964), where exchange i uses word i of sample 0. Its bias is that of `bounded`: at
/// most n 2^-32 relative per exchange.
std::vector<uint32_t> permutation(uint32_t n, NoiseKey key);

}  // namespace ito
