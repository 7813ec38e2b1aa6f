// The residual block of NCSN++, DDPM++ and DDPM.
#pragma once

#include <optional>
#include <utility>

#include "models/layers/resample.h"

namespace ito::nn {

/// What all blocks of one network have in common.
struct BlockStyle {
  enum class Kind : uint8_t { biggan, ddpm };
  Kind kind = Kind::biggan;
  Activation activation = Activation::swish;
  SkipScale skip_scale = SkipScale::inverse_sqrt2;
  double init_scale = 0;
  double dropout = 0;
  int embedding = 0;  ///< width of the time embedding, 4 nf
  int groups = 0;     ///< of the norms; 0: min(C / 4, 32)
  FirTaps taps;       ///< for blocks that resample
};

/// State of one forward pass that the blocks share.
struct BlockContext {
  Tensor embedding;  ///< act(time embedding) [N, 4 nf], or undefined
  ForwardOptions options;
  int64_t layers = 1;  ///< dropout layers of the network: each has its own stream of masks
};

/// h = conv0(resample(act(norm0(x)))) + dense0(act(temb));  h = conv1(dropout(act(norm1(h))));
/// y = (skip(resample(x)) + h) / sqrt(2)                       (Song et al. 2021, App. H; spec 3.1)
struct ResBlock {
  enum class Resampling : uint8_t { none, up, down };

  GroupNorm norm0, norm1;
  Conv2d conv0, conv1;
  Linear dense0;
  std::optional<Conv2d> skip_conv;    // biggan
  std::optional<Linear> skip_linear;  // ddpm: NIN_0
  BlockStyle style;
  Resampling resampling = Resampling::none;
  int64_t dropout_layer = 0;

  ResBlock() = default;
  ResBlock(Init& init, int in, int out, const BlockStyle& style,
           Resampling resampling = Resampling::none);
  Tensor operator()(const Tensor& x, const BlockContext& context) const;
  void list(ParameterList& list);

 private:
  /// act(norm0(x)) and x, both resampled.
  std::pair<Tensor, Tensor> resampled(const Tensor& x) const;
  Tensor resample(const Tensor& x) const;
  Tensor skip(const Tensor& x) const;
  Dropout dropout(const BlockContext& context) const;
};

}  // namespace ito::nn
