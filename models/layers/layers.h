// The layers that networks are built from: plain structs of parameters with a call operator.
#pragma once

#include "kernels/conv2d/op.h"
#include "kernels/dropout/op.h"
#include "kernels/group_norm_silu/op.h"
#include "models/init.h"
#include "models/network.h"
#include "models/parameter.h"

namespace ito::nn {

/// Which function follows a normalisation.
enum class Activation : uint8_t { swish, elu, relu, lrelu };
Activation activation_of(std::string_view nonlinearity);
Tensor activate(Activation f, const Tensor& x);

/// y = x w^T + b over the last axis.
struct Linear {
  Tensor weight, bias;  // [out, in], [out]
  ReferenceLayout layout = ReferenceLayout::same;

  Linear() = default;
  Linear(Init& init, int in, int out, double scale = 1);
  Tensor operator()(const Tensor& x) const;
  void list(ParameterList& list);
};

/// The reference's NIN: a linear map over channels, stored transposed; initial scale 0.1 by
/// default.
Linear nin(Init& init, int in, int out, double scale = 0.1);

/// Square convolution. Padding keeps the size at stride 1 unless attrs say otherwise.
struct Conv2d {
  Tensor weight, bias;  // [out, k, k, in], [out]
  ops::Conv2dAttrs attrs;

  Conv2d() = default;
  Conv2d(Init& init, int in, int out, int kernel, double scale = 1);
  Tensor operator()(const Tensor& x) const;
  void list(ParameterList& list);
};

/// Dropout of one layer in one pass; the default drops nothing.
struct Dropout {
  Tensor samples;  ///< i64 [N]: global index of each sample
  ops::DropoutAttrs attrs;
};

/// Group normalisation with min(C / 4, 32) groups (or a given number) and the activation after it.
struct GroupNorm {
  Tensor weight, bias;  // [C]
  int groups = 0;

  GroupNorm() = default;
  explicit GroupNorm(int channels, int groups = 0);
  /// dropout(act(norm(x + shift))); shift [N, C] or undefined.
  Tensor operator()(const Tensor& x, Activation f, const Tensor& shift = {},
                    const Dropout& dropout = {}) const;
  Tensor normalize(const Tensor& x) const;  ///< without activation
  void list(ParameterList& list);
};

/// Residual sum x + h, times 1 / sqrt(2) where the network rescales.
enum class SkipScale : uint8_t { one, inverse_sqrt2 };
Tensor residual_sum(const Tensor& x, const Tensor& h, SkipScale scale);

/// Self-attention over all pixels, one head, with normalisation and residual (AttnBlockpp,
/// AttnBlock).
struct AttentionBlock {
  GroupNorm norm;
  Linear query, key, value, out;
  SkipScale scale = SkipScale::one;

  AttentionBlock() = default;
  AttentionBlock(Init& init, int channels, int groups, double init_scale, SkipScale scale);
  Tensor operator()(const Tensor& x) const;
  void list(ParameterList& list);
};

}  // namespace ito::nn
