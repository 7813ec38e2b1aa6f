#include "models/unet/res_block.h"

#include "kernels/group_norm_silu_fir/op.h"

namespace ito::nn {

ResBlock::ResBlock(Init& init, int in, int out, const BlockStyle& block, Resampling change)
    : norm0(in, block.groups),
      norm1(out, block.groups),
      conv0(init, in, out, 3),
      conv1(init, out, out, 3, block.init_scale),
      dense0(init, block.embedding, out),
      style(block),
      resampling(change) {
  if (style.kind == BlockStyle::Kind::biggan) {
    if (in != out || resampling != Resampling::none) skip_conv = Conv2d(init, in, out, 1);
  } else if (in != out) {
    skip_linear = nin(init, in, out);
  }
}

Tensor ResBlock::operator()(const Tensor& x, const BlockContext& context) const {
  const auto [normal, base] = resampled(x);  // [N, H', W', in]
  Tensor h = conv0(normal);                  // [N, H', W', out]
  const Tensor shift = context.embedding ? dense0(context.embedding) : Tensor();  // [N, out]
  h = conv1(norm1(h, style.activation, shift, dropout(context)));
  return residual_sum(skip(base), h, style.skip_scale);
}

std::pair<Tensor, Tensor> ResBlock::resampled(const Tensor& x) const {
  if (resampling == Resampling::none || style.taps.empty() ||
      style.activation != Activation::swish) {
    return {resample(norm0(x, style.activation)), resample(x)};
  }
  return ops::group_norm_silu_fir(
      x, norm0.weight, norm0.bias,
      {.groups = norm0.groups,
       .fir = resampling == Resampling::up ? ops::upsampling(style.taps)
                                           : ops::downsampling(style.taps)});
}

Tensor ResBlock::resample(const Tensor& x) const {
  switch (resampling) {
    case Resampling::none:
      return x;
    case Resampling::up:
      return upsample(x, style.taps);
    case Resampling::down:
      break;
  }
  return downsample(x, style.taps);
}

Tensor ResBlock::skip(const Tensor& x) const {
  if (skip_conv) return (*skip_conv)(x);
  return skip_linear ? (*skip_linear)(x) : x;
}

Dropout ResBlock::dropout(const BlockContext& context) const {
  const ForwardOptions& o = context.options;
  if (o.dropout == ForwardOptions::Dropout::off) return {};
  const auto stream = static_cast<uint32_t>(o.step * context.layers + dropout_layer);
  return {.samples = o.samples,
          .attrs = {.rate = style.dropout,
                    .key = {.seed = o.seed, .purpose = Purpose::dropout, .step = stream}}};
}

void ResBlock::list(ParameterList& list) {
  list.part("norm0", "GroupNorm_0", norm0);
  list.part("conv0", "Conv_0", conv0);
  list.part("dense0", "Dense_0", dense0);
  list.part("norm1", "GroupNorm_1", norm1);
  list.part("conv1", "Conv_1", conv1);
  if (skip_conv) list.part("skip", "Conv_2", *skip_conv);
  if (skip_linear) list.part("skip", "NIN_0", *skip_linear);
}

}  // namespace ito::nn
