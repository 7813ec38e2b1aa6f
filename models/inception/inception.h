// The Inception network in whose features FID, KID and the Inception score are defined.
#pragma once

#include <string>
#include <vector>

#include "kernels/conv2d/op.h"
#include "models/init.h"
#include "models/network.h"

namespace ito::nn {

struct InceptionConfig {
  int divisor = 1;     ///< all widths are divided by it: 1, 2, 4, 8 or 16, more than 1 for tests
  int classes = 1008;  ///< 2015's network has 1008 outputs, of which 1000 mean something
};

/// relu(conv(x) + bias): a convolution with its batch normalisation folded in.
struct InceptionConv {
  std::string name;
  Tensor weight, bias;  // [out, kh, kw, in], [out]
  ops::Conv2dAttrs attrs;

  Tensor operator()(const Tensor& x) const;
};

/// One path through a block: a pool, convolutions in a row, then several side by side.
struct InceptionBranch {
  enum class Pool : uint8_t {
    none,
    mean,       ///< 3 x 3, stride 1; the mean of the pixels that exist: padding does not count
    maximum,    ///< 3 x 3, stride 1
    reduction,  ///< maximum over 3 x 3, stride 2, no padding
  };
  Pool pool = Pool::none;
  std::vector<InceptionConv> chain;
  std::vector<InceptionConv> fork;  ///< of the last convolution's output, joined
};

using InceptionBlock = std::vector<InceptionBranch>;  ///< outputs joined along the channels

/// Inception-v3 (Szegedy et al. 2016, "Rethinking the Inception architecture") in the variant of
/// TensorFlow's file of 2015-12-05, with which FID is defined (Heusel et al. 2017). It differs from
/// the paper's and torchvision's network: mean pools leave padding out, the last block pools by
/// maximum, and there are 1008 outputs. Batch normalisation (eps 0.001) is folded into the weights.
class Inception final : public Network {
 public:
  /// Throws ValueError for a divisor or a number of classes out of range.
  explicit Inception(const InceptionConfig& config, Init init = Init(0));

  const InceptionConfig& config() const { return config_; }
  /// Throws ShapeError unless x is [N, H, W, 3] with H and W at least 75, DTypeError.
  /// x in [-1, 1], 299 x 299 for FID. Returns pool_3, the mean over pixels [N, 2048 / divisor].
  Tensor features(const Tensor& x) const;
  /// Logits of such features [N, classes] without the last bias: the Inception score's code
  /// (Salimans et al. 2016) left it out.
  Tensor score_logits(const Tensor& features) const;

  /// Logits [N, classes] of images, with bias; there are no labels.
  Tensor forward(const Tensor& x, const Tensor& labels = {},
                 const ForwardOptions& options = {}) const override;
  void list(ParameterList& list) override;
  std::unique_ptr<Network> clone() const override { return std::make_unique<Inception>(*this); }

 private:
  InceptionConfig config_;
  std::vector<InceptionBlock> blocks_;
  Tensor head_weight_, head_bias_;
};

}  // namespace ito::nn
