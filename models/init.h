// Initial values of parameters.
#pragma once

#include "engine/core/tensor.h"

namespace ito::nn {

/// Draws initial values; the stream depends on the seed and on the order of the calls.
class Init {
 public:
  Init(uint64_t seed) : seed_(seed) {}  // NOLINT: a seed is all that it takes
  /// Draws nothing: tensors on the device `meta`.
  static Init shapes_only() {
    Init init(0);
    init.device_ = kMeta;
    return init;
  }

  /// Uniform on +-sqrt(3 scale / fan_avg) with fan_avg = (fan_in + fan_out) / 2, receptive field
  /// included in both; scale 0 stands for 1e-10 (variance scaling as in score_sde).
  /// Weights [out, ..., in]: fan_in = numel / out, fan_out = numel / in.
  Tensor variance_scaling(const Shape& shape, double scale);
  Tensor normal(const Shape& shape, double std, double mean = 0);
  Tensor constant(const Shape& shape, double value) const;
  /// Uniform on [-bound, bound].
  Tensor uniform(const Shape& shape, double bound);

 private:
  uint64_t seed_;
  Device device_ = kCpu;
  uint32_t next_ = 0;
};

}  // namespace ito::nn
