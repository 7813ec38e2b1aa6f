// The blocks of NCSN and NCSNv2: dilated residual blocks, and the blocks of RefineNet (Lin et al.
// 2017, figure 2).
#pragma once

#include <optional>
#include <vector>

#include "models/layers/layers.h"
#include "models/refinenet/instance_norm_plus.h"

namespace ito::nn {

/// What a pooling chain takes of a window: its maximum, or its mean with zeros outside of the
/// image.
enum class Pooling : uint8_t { maximum, mean };

/// What all blocks of one network have in common.
struct RefineStyle {
  Activation activation = Activation::elu;
  int levels = 0;  ///< NCSN: noise levels of the conditional norms, in every block; NCSNv2: 0
  Pooling pooling = Pooling::maximum;  ///< NCSN: mean
};

/// State of one forward pass that the blocks share.
struct RefineContext {
  Activation activation;
  Tensor level;  ///< i64 [N]: index of the noise level; undefined without conditional norms
};

/// Convolution with weights and bias uniform on +-1/sqrt(fan_in) and padding that keeps the size.
struct PlainConv {
  enum class Bias : uint8_t { absent, present };
  Tensor weight, bias;  // [out, k, k, in], [out] or undefined
  ops::Conv2dAttrs attrs;

  PlainConv() = default;
  PlainConv(Init& init, int in, int out, int kernel, Bias has_bias, int dilation = 1);
  Tensor operator()(const Tensor& x) const { return ops::conv2d(x, weight, bias, attrs); }
  void list(ParameterList& list);
};

/// h = conv1(act(norm1(conv0(act(norm0(x))))));  y = skip(x) + h. A block that goes down and is not
/// dilated takes 2 x 2 means of both terms; a dilated one keeps the size.
struct DilatedBlock {
  enum class Size : uint8_t { same, down };
  InstanceNormPlus norm0, norm1;
  PlainConv conv0, conv1;
  std::optional<PlainConv> skip;
  bool halves = false;

  DilatedBlock() = default;
  DilatedBlock(Init& init, int in, int out, Size size, int dilation, const RefineStyle& style);
  Tensor operator()(const Tensor& x, const RefineContext& context) const;
  void list(ParameterList& list);
};

/// Residual convolution unit: `blocks` times x <- x + (act, 3 x 3 convolution) twice.
struct ResidualUnit {
  struct Stage {
    std::optional<InstanceNormPlus> norm;  ///< NCSN
    PlainConv conv;
  };
  std::vector<std::vector<Stage>> blocks;

  ResidualUnit() = default;
  ResidualUnit(Init& init, int channels, int blocks, const RefineStyle& style);
  Tensor operator()(Tensor x, const RefineContext& context) const;
  void list(ParameterList& list);
};

/// Multi-resolution fusion: the sum of 3 x 3 convolutions, resized to the first input.
struct Fusion {
  std::vector<InstanceNormPlus> norms;  ///< NCSN
  std::vector<PlainConv> convs;

  Fusion() = default;
  Fusion(Init& init, const std::vector<int>& in, int out, const RefineStyle& style);
  Tensor operator()(const std::vector<Tensor>& x, const RefineContext& context) const;
  void list(ParameterList& list);
};

/// Chained residual pooling: p_0 = act(x), p_k = conv_k(pool(p_{k-1})), y = p_0 + p_1 + p_2, over
/// windows of 5 x 5 pixels.
struct PoolingChain {
  Pooling pooling = Pooling::maximum;
  std::vector<InstanceNormPlus> norms;  ///< NCSN
  std::vector<PlainConv> convs;

  PoolingChain() = default;
  PoolingChain(Init& init, int channels, const RefineStyle& style);
  Tensor operator()(const Tensor& x, const RefineContext& context) const;
  void list(ParameterList& list);
};

/// RefineNet block: residual units on every input, their fusion, a pooling chain, a residual unit.
struct RefineBlock {
  enum class Place : uint8_t { middle, last };
  std::vector<ResidualUnit> adapt;
  std::optional<Fusion> fusion;  ///< absent for a single input
  PoolingChain chain;
  ResidualUnit output;

  RefineBlock() = default;
  RefineBlock(Init& init, const std::vector<int>& in, int out, Place place,
              const RefineStyle& style);
  Tensor operator()(const std::vector<Tensor>& x, const RefineContext& context) const;
  void list(ParameterList& list);
};

}  // namespace ito::nn
