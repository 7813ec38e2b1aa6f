// The time-dependent classifier p_t(y | x): a noise-conditional Wide-ResNet.
#pragma once

#include <vector>

#include "models/layers/time_embedding.h"

namespace ito::nn {

/// relu(norm(x + shift)) with min(C / 4, 32) groups and eps 1e-5; shift [N, C] or undefined.
struct NormRelu {
  GroupNorm norm;

  NormRelu() = default;
  explicit NormRelu(int channels) : norm(channels) {}
  Tensor operator()(const Tensor& x, const Tensor& shift = {}) const;
};

/// 3 x 3 convolution without bias to 1 / stride of the size; stride 2 pads the right and the bottom
/// by one, as "same" padding does for even sizes.
struct WideConv {
  Tensor weight;  // [out, 3, 3, in], He-normal: variance 2 / (9 out)
  int stride = 1;

  WideConv() = default;
  WideConv(Init& init, int in, int out, int stride = 1);
  Tensor operator()(const Tensor& x) const;
};

/// a = norm0(x);  h = conv1(norm1(conv0(a) + dense(act(temb))));  y = h + shortcut.
/// The shortcut is x (a in the first block of the network), averaged over stride x stride pixels
/// and with zeros for the channels that it lacks.
struct WideBlock {
  enum class Shortcut : uint8_t { input, normalized };

  NormRelu norm0, norm1;
  WideConv conv0, conv1;
  Linear dense;
  Shortcut shortcut = Shortcut::input;

  WideBlock() = default;
  WideBlock(Init& init, int in, int out, int stride, int embedding, Shortcut shortcut);
  Tensor operator()(const Tensor& x, const Tensor& embedding) const;
  void list(ParameterList& list);
};

/// Wide-ResNet-depth-k (Zagoruyko & Komodakis 2016) with group norms, told ln(sigma) by random
/// Fourier features (Song et al. 2021, appendix I.1; spec 4): three groups of (depth - 4) / 6
/// blocks of 16 k, 32 k and 64 k channels at 1, 1/2 and 1/4 of the size.
///
/// x [N, H, W, 1 or 3], noisy, H and W divisible by 4, in the data range of `image`; labels [N]:
/// the standard deviation of the noise, sigma(t) for every SDE. Returns logits [N, num_classes].
class WideResNet final : public Network {
 public:
  /// Throws UserError (bad_value) for an image size, channels or classes that do not fit.
  WideResNet(const ModelConfig& model, const ImageConfig& image, Init init);

  Tensor forward(const Tensor& x, const Tensor& labels,
                 const ForwardOptions& options = {}) const override;
  /// What the last linear map sees: the mean over all pixels [N, 64 k], of the dtype of the
  /// parameters. Throws as forward does.
  Tensor features(const Tensor& x, const Tensor& labels, const ForwardOptions& options = {}) const;
  int64_t feature_count() const { return head_.weight.size(1); }
  Tensor logits(const Tensor& features) const { return head_(features); }  ///< [N, num_classes]
  void list(ParameterList& list) override;
  std::unique_ptr<Network> clone() const override { return std::make_unique<WideResNet>(*this); }

  /// What enters the stem: the channels of the [0, 1] image normalised by CIFAR-10's constants (a
  /// grey image by their mean), then each image by its own mean m and standard deviation s:
  /// (u - m) / max(s, 1 / sqrt(d)) over its d = H W C values.
  Tensor standardized(const Tensor& x) const;

 private:
  ModelConfig model_;
  ImageConfig image_;
  TimeEmbedding embedding_;
  WideConv stem_;
  std::vector<WideBlock> blocks_;  // of all groups
  NormRelu head_norm_;
  Linear head_;
};

}  // namespace ito::nn
