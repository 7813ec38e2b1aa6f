#include "models/unet/unet.h"

#include <algorithm>

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/concat/op.h"
#include "kernels/unary/op.h"

namespace ito::nn {
namespace {

FirTaps taps_of(const ModelConfig& m) { return m.fir ? m.fir_kernel : FirTaps{}; }

/// DDPM (Ho et al. 2020) as options of NCSN++; its own configuration ignores these.
ModelConfig with_ddpm_options(ModelConfig m) {
  if (m.name != "ddpm") return m;
  m.resblock_type = "ddpm";
  m.embedding_type = "positional";
  m.progressive = m.progressive_input = "none";
  m.fir = m.skip_rescale = false;
  m.init_scale = 0;
  return m;
}

BlockStyle style_of(const ModelConfig& m) {
  return {.kind = m.resblock_type == "biggan" ? BlockStyle::Kind::biggan : BlockStyle::Kind::ddpm,
          .activation = activation_of(m.nonlinearity),
          .skip_scale = m.skip_rescale ? SkipScale::inverse_sqrt2 : SkipScale::one,
          .init_scale = m.init_scale,
          .dropout = m.dropout,
          .embedding = 4 * m.nf,
          .groups = m.name == "ddpm" ? 32 : 0,
          .taps = taps_of(m)};
}

Tensor run(const std::variant<ResBlock, Resample>& part, const Tensor& h, const BlockContext& c) {
  if (const auto* block = std::get_if<ResBlock>(&part)) return (*block)(h, c);
  return std::get<Resample>(part)(h);
}

/// part(inputs, context) as one part of the tape, which owns its blocks. The embedding has a
/// history, so it must be the last input.
template <class Part>
Tensor run_part(const Tensors& inputs, const BlockContext& context, Part part) {
  BlockContext inner = context;
  inner.embedding = {};
  return segment(context.options.activations, inputs,
                 [inner, part = std::move(part)](const Tensors& in) {
                   BlockContext c = inner;
                   c.embedding = in.back();
                   return part(in, c);
                 });
}

}  // namespace

Tensor AttendingBlock::operator()(const Tensor& x, const BlockContext& context) const {
  const Tensor y = block(x, context);
  return attention ? (*attention)(y) : y;
}

UNet::UNet(const ModelConfig& model, const ImageConfig& image, Init init)
    : model_(with_ddpm_options(model)), image_(image), style_(style_of(model_)) {
  model_.validate();
  const int levels = static_cast<int>(model_.ch_mult.size());
  if (image.image_size < 1 || image.image_size % (1 << (levels - 1)) != 0) {
    fail(ErrorCode::bad_combination, "data.image_size",
         "is " + std::to_string(image.image_size) + ", which does not halve " +
             std::to_string(levels - 1) + " times",
         "use a multiple of " + std::to_string(1 << (levels - 1)) + " or a shorter model.ch_mult");
  }
  embedding_ = TimeEmbedding(init, model_, model_.num_classes);
  input_ = Conv2d(init, image.channels, model_.nf, 3);
  build_down(init);
  const int lowest = skip_channels_.back();
  middle0_ = make_block(init, lowest, lowest);
  middle_attention_ = make_attention(init, lowest);
  middle1_ = make_block(init, lowest, lowest);
  build_up(init);
}

bool UNet::attends(int resolution) const {
  return std::ranges::find(model_.attn_resolutions, resolution) != model_.attn_resolutions.end();
}

int UNet::channels_at(size_t level) const { return model_.nf * model_.ch_mult[level]; }

ResBlock UNet::make_block(Init& init, int in, int out, ResBlock::Resampling resampling) {
  ResBlock block(init, in, out, style_, resampling);
  block.dropout_layer = dropout_layers_++;
  return block;
}

AttentionBlock UNet::make_attention(Init& init, int channels) {
  return AttentionBlock(init, channels, style_.groups, model_.init_scale, style_.skip_scale);
}

std::variant<ResBlock, Resample> UNet::make_resampling(Init& init, int channels,
                                                       Direction direction) {
  if (style_.kind == BlockStyle::Kind::biggan) {
    return make_block(
        init, channels, channels,
        direction == Direction::up ? ResBlock::Resampling::up : ResBlock::Resampling::down);
  }
  if (!model_.resamp_with_conv) return Resample(direction, style_.taps);
  return Resample(init, direction, style_.taps, channels, channels);
}

void UNet::build_down(Init& init) {
  int channels = model_.nf, pyramid_channels = image_.channels;
  skip_channels_ = {channels};
  for (size_t l = 0; l < model_.ch_mult.size(); ++l) {
    DownLevel level;
    const int resolution = image_.image_size >> l;
    for (int b = 0; b < model_.num_res_blocks; ++b) {
      AttendingBlock block{make_block(init, channels, channels_at(l)), {}};
      channels = channels_at(l);
      if (attends(resolution)) block.attention = make_attention(init, channels);
      level.blocks.push_back(std::move(block));
      skip_channels_.push_back(channels);
    }
    if (l + 1 < model_.ch_mult.size()) {
      level.down = make_resampling(init, channels, Direction::down);
      if (model_.progressive_input == "input_skip") {
        level.combine = Conv2d(init, pyramid_channels, channels, 1);
        if (model_.progressive_combine == "cat") channels *= 2;
      } else if (model_.progressive_input == "residual") {
        level.pyramid = Resample(init, Direction::down, style_.taps, pyramid_channels, channels);
        pyramid_channels = channels;
      }
      skip_channels_.push_back(channels);
    }
    down_.push_back(std::move(level));
  }
}

void UNet::build_up(Init& init) {
  int channels = skip_channels_.back(), pyramid_channels = 0;
  for (size_t l = model_.ch_mult.size(); l-- > 0;) {
    UpLevel level;
    const bool attending = attends(image_.image_size >> l);
    for (int b = 0; b <= model_.num_res_blocks; ++b) {
      AttendingBlock block{make_block(init, channels + skip_channels_.back(), channels_at(l)), {}};
      skip_channels_.pop_back();
      channels = channels_at(l);
      const bool here = b == model_.num_res_blocks || model_.up_attention == "every";
      if (attending && here) block.attention = make_attention(init, channels);
      level.blocks.push_back(std::move(block));
    }
    const bool lowest = l + 1 == model_.ch_mult.size();
    if (model_.progressive == "output_skip" || (model_.progressive == "residual" && lowest)) {
      const bool skip = model_.progressive == "output_skip";
      pyramid_channels = skip ? model_.output_channels(image_.channels) : channels;
      level.pyramid_norm = GroupNorm(channels, style_.groups);
      level.pyramid_conv =
          Conv2d(init, channels, pyramid_channels, 3, skip ? model_.init_scale : 1);
    } else if (model_.progressive == "residual") {
      level.pyramid = Resample(init, Direction::up, style_.taps, pyramid_channels, channels);
      pyramid_channels = channels;
    }
    if (l != 0) level.up = make_resampling(init, channels, Direction::up);
    up_.push_back(std::move(level));
  }
  if (model_.progressive == "output_skip") return;
  output_norm_ = GroupNorm(channels, style_.groups);
  output_ = Conv2d(init, channels, model_.output_channels(image_.channels), 3, model_.init_scale);
}

Tensor UNet::forward(const Tensor& x, const Tensor& labels, const ForwardOptions& options) const {
  const DType dtype = input_.weight.dtype();
  const BlockContext context{embedding_(labels, dtype, options.classes), options, dropout_layers_};
  const Tensor image = image_.centered ? x : 2.0 * x - 1.0;
  DownPass pass{{}, ops::cast(image, dtype)};
  Tensor h = input_(pass.pyramid);  // [N, H, W, nf]
  pass.skips.push_back(h);
  for (const DownLevel& level : down_) h = run_down(level, h, pass, context);
  h = run_part(
      {h, context.embedding}, context,
      [a = middle0_, attention = middle_attention_, b = middle1_](
          const Tensors& in, const BlockContext& c) { return b(attention(a(in[0], c)), c); });
  Tensor output;
  for (const UpLevel& level : up_) h = run_up(level, h, pass, output, context);
  if (output_) output = (*output_)((*output_norm_)(h, style_.activation));  // [N, H, W, channels]
  output = ops::cast(output, x.dtype());
  return model_.scale_by_sigma ? embedding_.divide_by_sigma(output, labels, image_) : output;
}

Tensor UNet::run_down(const DownLevel& level, Tensor h, DownPass& pass,
                      const BlockContext& context) const {
  for (const AttendingBlock& b : level.blocks) {
    h = run_part({h, context.embedding}, context,
                 [b](const Tensors& in, const BlockContext& c) { return b(in[0], c); });
    pass.skips.push_back(h);
  }
  if (!level.down) return h;
  h = run_part({h, context.embedding}, context,
               [down = *level.down](const Tensors& in, const BlockContext& c) {
                 return run(down, in[0], c);
               });
  if (level.combine) {
    pass.pyramid = downsample(pass.pyramid, style_.taps);
    const Tensor p = (*level.combine)(pass.pyramid);
    h = model_.progressive_combine == "cat" ? ops::concat({p, h}, -1) : p + h;
  } else if (level.pyramid) {
    pass.pyramid = residual_sum((*level.pyramid)(pass.pyramid), h, style_.skip_scale);
    h = pass.pyramid;
  }
  pass.skips.push_back(h);
  return h;
}

Tensor UNet::run_up(const UpLevel& level, Tensor h, DownPass& pass, Tensor& output,
                    const BlockContext& context) const {
  for (const AttendingBlock& block : level.blocks) {
    h = run_part({h, pass.skips.back(), context.embedding}, context,
                 [block](const Tensors& in, const BlockContext& c) {
                   return block(ops::concat({in[0], in[1]}, -1), c);
                 });
    pass.skips.pop_back();
  }
  if (level.pyramid_conv) {
    const Tensor p =
        run_part({h, context.embedding}, context,
                 [norm = *level.pyramid_norm, conv = *level.pyramid_conv, act = style_.activation](
                     const Tensors& in, const BlockContext&) { return conv(norm(in[0], act)); });
    output = output ? upsample(output, style_.taps) + p : p;
  } else if (level.pyramid) {
    output = residual_sum((*level.pyramid)(output), h, style_.skip_scale);
    h = output;
  }
  if (!level.up) return h;
  return run_part(
      {h, context.embedding}, context,
      [up = *level.up](const Tensors& in, const BlockContext& c) { return run(up, in[0], c); });
}

}  // namespace ito::nn
