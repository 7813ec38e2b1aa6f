// The noise level, as networks see it.
#pragma once

#include <optional>

#include "models/config.h"
#include "models/layers/layers.h"

namespace ito::nn {

/// temb = linear1(act(linear0(e))), with e sinusoidal in the label (positional) or random Fourier
/// features of ln(sigma) (fourier); spec 3.1. Every block applies the activation before its own
/// projection, so it is applied here, once.
struct TimeEmbedding {
  enum class Kind : uint8_t { positional, fourier };
  Kind kind = Kind::positional;
  int width = 0;                           ///< of e
  Tensor frequencies;                      ///< fourier: [nf], frozen
  std::optional<Linear> linear0, linear1;  ///< absent in networks without noise label
  Activation activation = Activation::swish;

  TimeEmbedding() = default;
  TimeEmbedding(Init& init, const ModelConfig& model);

  /// act(temb) [N, 4 nf] of `dtype`, or undefined. labels [N].
  Tensor operator()(const Tensor& labels, DType dtype) const;

  /// y / sigma, where the label is sigma itself (fourier) or the index of a noise level, the
  /// largest sigma first (positional).
  Tensor divide_by_sigma(const Tensor& y, const Tensor& labels, const ImageConfig& levels) const;
};

}  // namespace ito::nn
