#include "models/layers/layers.h"

#include <algorithm>
#include <cmath>

#include "kernels/attention/op.h"
#include "kernels/binary/op.h"
#include "kernels/matmul/op.h"
#include "kernels/reshape/op.h"
#include "kernels/scaled_sum/op.h"
#include "kernels/unary/op.h"

namespace ito::nn {

Activation activation_of(std::string_view nonlinearity) {
  if (nonlinearity == "swish") return Activation::swish;
  if (nonlinearity == "elu") return Activation::elu;
  if (nonlinearity == "relu") return Activation::relu;
  if (nonlinearity == "lrelu") return Activation::lrelu;
  fail(ErrorCode::bad_value, "model.nonlinearity", "is \"" + std::string(nonlinearity) + "\"",
       "use swish, elu, relu or lrelu");
}

Tensor activate(Activation f, const Tensor& x) {
  switch (f) {
    case Activation::swish:
      return ops::silu(x);
    case Activation::elu:
      return ops::elu(x);
    case Activation::relu:
      return ops::relu(x);
    case Activation::lrelu:
      break;
  }
  return ops::leaky_relu(x, 0.2);
}

Linear::Linear(Init& init, int in, int out, double scale)
    : weight(init.variance_scaling({out, in}, scale)), bias(Tensor::zeros({out}, DType::f32)) {}

Tensor Linear::operator()(const Tensor& x) const { return ops::linear(x, weight, bias); }

void Linear::list(ParameterList& list) {
  const bool transposed = layout == ReferenceLayout::nin;
  list.add("weight", transposed ? "W" : "weight", weight, layout);
  list.add("bias", transposed ? "b" : "bias", bias);
}

Linear nin(Init& init, int in, int out, double scale) {
  Linear linear(init, in, out, scale);
  linear.layout = ReferenceLayout::nin;
  return linear;
}

Conv2d::Conv2d(Init& init, int in, int out, int kernel, double scale)
    : weight(init.variance_scaling({out, kernel, kernel, in}, scale)),
      bias(Tensor::zeros({out}, DType::f32)) {
  attrs.pad_top = attrs.pad_left = attrs.pad_bottom = attrs.pad_right = kernel / 2;
}

Tensor Conv2d::operator()(const Tensor& x) const { return ops::conv2d(x, weight, bias, attrs); }

void Conv2d::list(ParameterList& list) {
  list.add("weight", "weight", weight, ReferenceLayout::conv);
  list.add("bias", "bias", bias);
}

GroupNorm::GroupNorm(int channels, int count)
    : weight(Tensor::full({channels}, 1, DType::f32)),
      bias(Tensor::zeros({channels}, DType::f32)),
      groups(count > 0 ? count : std::max(1, std::min(channels / 4, 32))) {
  if (channels % groups == 0) return;
  fail(ErrorCode::bad_value, "model.nf",
       "makes a norm of " + std::to_string(channels) + " channels in " + std::to_string(groups) +
           " groups",
       "use a multiple of 32");
}

Tensor GroupNorm::operator()(const Tensor& x, Activation f, const Tensor& shift,
                             const Dropout& dropout) const {
  if (f == Activation::swish) {
    return ops::group_norm_silu(x, weight, bias, shift, dropout.samples,
                                {.groups = groups, .dropout = dropout.attrs});
  }
  const ops::GroupNormAttrs plain{.groups = groups, .activation = ops::NormActivation::identity};
  const Tensor h = activate(f, ops::group_norm_silu(x, weight, bias, shift, plain));
  return ops::dropout(h, dropout.samples, dropout.attrs);
}

Tensor GroupNorm::normalize(const Tensor& x) const {
  return ops::group_norm_silu(x, weight, bias,
                              {.groups = groups, .activation = ops::NormActivation::identity});
}

void GroupNorm::list(ParameterList& list) {
  list.add("weight", "weight", weight);
  list.add("bias", "bias", bias);
}

Tensor residual_sum(const Tensor& x, const Tensor& h, SkipScale scale) {
  const double k = scale == SkipScale::inverse_sqrt2 ? std::sqrt(0.5) : 1.0;
  return ops::scaled_sum(k, x, k, h);
}

AttentionBlock::AttentionBlock(Init& init, int channels, int groups, double init_scale,
                               SkipScale skip)
    : norm(channels, groups),
      query(nin(init, channels, channels)),
      key(nin(init, channels, channels)),
      value(nin(init, channels, channels)),
      out(nin(init, channels, channels, init_scale)),
      scale(skip) {}

Tensor AttentionBlock::operator()(const Tensor& x) const {
  const int64_t n = x.size(0), tokens = x.size(1) * x.size(2), c = x.size(3);
  const Tensor h = ops::reshape(norm.normalize(x), Shape{n, tokens, c});  // [N, T, C]
  const Tensor mixed =
      ops::attention(query(h), key(h), value(h), {.scale = 1 / std::sqrt(static_cast<double>(c))});
  return residual_sum(x, ops::reshape(out(mixed), x.shape()), scale);
}

void AttentionBlock::list(ParameterList& list) {
  list.part("norm", "GroupNorm_0", norm);
  list.part("query", "NIN_0", query);
  list.part("key", "NIN_1", key);
  list.part("value", "NIN_2", value);
  list.part("out", "NIN_3", out);
}

}  // namespace ito::nn
