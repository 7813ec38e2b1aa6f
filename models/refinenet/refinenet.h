// NCSN (Song & Ermon 2019) and NCSNv2 (Song & Ermon 2020): RefineNets with dilated convolutions.
#pragma once

#include "models/config.h"
#include "models/refinenet/blocks.h"

namespace ito::nn {

/// Residual stages go down; the refine blocks, one per stage, go up again, each with its stage and
/// the block below. ncsnv2_64, ncsnv2_128 and ncsnv2_256 have 4, 5 and 6 stages for images of that
/// size, of which the last two are dilated instead of going down. ncsn is ncsnv2_64 with norms that
/// know the noise level, also inside the refine blocks, and with means instead of maxima in the
/// pooling chains. Labels are indices of noise levels, the largest sigma first; without ncsn's
/// norms they matter for the division by sigma alone.
class RefineNet final : public Network {
 public:
  /// Throws UserError for an image size that does not halve often enough.
  RefineNet(const ModelConfig& model, const ImageConfig& image, Init init);

  Tensor forward(const Tensor& x, const Tensor& labels,
                 const ForwardOptions& options) const override;
  void list(ParameterList& list) override;
  std::unique_ptr<Network> clone() const override { return std::make_unique<RefineNet>(*this); }

 private:
  struct Stage {
    std::string reference_name;  ///< "res31"
    DilatedBlock block0, block1;
  };
  struct Refinement {
    std::string reference_name;  ///< "refine31"
    RefineBlock block;
  };

  ModelConfig model_;
  ImageConfig image_;
  RefineStyle style_;
  PlainConv begin_, end_;
  InstanceNormPlus end_norm_;
  std::vector<Stage> stages_;
  std::vector<Refinement> refinements_;  // from the lowest resolution upwards
};

}  // namespace ito::nn
