// The U-Net of Song et al. 2021 (App. H): NCSN++, DDPM++ and DDPM by options.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "models/config.h"
#include "models/layers/time_embedding.h"
#include "models/unet/res_block.h"

namespace ito::nn {

/// A residual block, followed by attention where the resolution asks for it.
struct AttendingBlock {
  ResBlock block;
  std::optional<AttentionBlock> attention;
  Tensor operator()(const Tensor& x, const BlockContext& context) const;
};

/// Blocks of one resolution.
struct DownLevel {
  std::vector<AttendingBlock> blocks;
  std::optional<std::variant<ResBlock, Resample>> down;  ///< to the next level
  std::optional<Resample> pyramid;                       ///< input pyramid, residual
  std::optional<Conv2d> combine;                         ///< input pyramid, input_skip: 1 x 1
};

struct UpLevel {
  std::vector<AttendingBlock> blocks;     ///< with attention after the last, or after every one
  std::optional<GroupNorm> pyramid_norm;  ///< output pyramid
  std::optional<Conv2d> pyramid_conv;
  std::optional<Resample> pyramid;                     ///< output pyramid, residual
  std::optional<std::variant<ResBlock, Resample>> up;  ///< to the level above
};

class UNet final : public Network {
 public:
  /// Throws UserError for options that do not fit (ModelConfig::validate, odd sizes).
  UNet(const ModelConfig& model, const ImageConfig& image, Init init);

  Tensor forward(const Tensor& x, const Tensor& labels,
                 const ForwardOptions& options) const override;
  int classes() const override { return model_.num_classes; }
  void list(ParameterList& list) override;
  std::unique_ptr<Network> clone() const override { return std::make_unique<UNet>(*this); }

 private:
  struct DownPass {
    std::vector<Tensor> skips;
    Tensor pyramid;
  };
  void build_down(Init& init);
  void build_up(Init& init);
  std::variant<ResBlock, Resample> make_resampling(Init& init, int channels, Direction direction);
  ResBlock make_block(Init& init, int in, int out,
                      ResBlock::Resampling resampling = ResBlock::Resampling::none);
  AttentionBlock make_attention(Init& init, int channels);
  bool attends(int resolution) const;
  int channels_at(size_t level) const;

  Tensor run_down(const DownLevel& level, Tensor h, DownPass& pass, const BlockContext& c) const;
  Tensor run_up(const UpLevel& level, Tensor h, DownPass& pass, Tensor& output,
                const BlockContext& c) const;

  ModelConfig model_;
  ImageConfig image_;
  BlockStyle style_;
  TimeEmbedding embedding_;
  Conv2d input_;
  std::vector<DownLevel> down_;
  ResBlock middle0_, middle1_;
  AttentionBlock middle_attention_;
  std::vector<UpLevel> up_;  // from the lowest resolution upwards
  std::optional<GroupNorm> output_norm_;
  std::optional<Conv2d> output_;
  std::vector<int> skip_channels_;  // while building
  int64_t dropout_layers_ = 0;
};

}  // namespace ito::nn
