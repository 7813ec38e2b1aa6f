#include "models/classifier/wide_resnet.h"

#include <array>
#include <cmath>

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/concat/op.h"
#include "kernels/mean_pool/op.h"
#include "kernels/pad/op.h"
#include "kernels/reduce/op.h"
#include "kernels/slice/op.h"
#include "kernels/unary/op.h"

namespace ito::nn {
namespace {

constexpr int kGroups = 3;
constexpr int kStemChannels = 16;
constexpr double kNormEps = 1e-5;
// Of the pixels of CIFAR-10 in [0, 1], by channel (spec 4).
constexpr std::array<double, 3> kPixelMean = {0.49139968, 0.48215841, 0.44653091};
constexpr std::array<double, 3> kPixelStd = {0.24703223, 0.24348513, 0.26158784};

double average(const std::array<double, 3>& v) { return (v[0] + v[1] + v[2]) / 3; }

/// LeCun-normal weights (variance 1 / in), zero bias.
Linear lecun_normal(Init& init, int in, int out) {
  Linear linear;
  linear.weight = init.normal({out, in}, std::sqrt(1.0 / in));
  linear.bias = Tensor::zeros({out}, DType::f32);
  return linear;
}

/// (v - mean) / std, with v = (x + 1) / 2 for data in [-1, 1], else x.
Tensor normalized(const Tensor& x, bool centered, double mean, double std) {
  return centered ? ops::linear_map(x, 0.5 / std, (0.5 - mean) / std)
                  : ops::linear_map(x, 1 / std, -mean / std);
}

void check_fit(bool good, const char* key, int value, const char* fix) {
  if (!good) fail(ErrorCode::bad_value, key, "is " + std::to_string(value), fix);
}

}  // namespace

Tensor NormRelu::operator()(const Tensor& x, const Tensor& shift) const {
  return ops::relu(ops::group_norm_silu(
      x, norm.weight, norm.bias, shift,
      {.groups = norm.groups, .eps = kNormEps, .activation = ops::NormActivation::identity}));
}

WideConv::WideConv(Init& init, int in, int out, int step)
    : weight(init.normal({out, 3, 3, in}, std::sqrt(2.0 / (9 * out)))), stride(step) {}

Tensor WideConv::operator()(const Tensor& x) const {
  const int before = stride == 1 ? 1 : 0;
  return ops::conv2d(
      x, weight, {},
      {.stride = stride, .pad_top = before, .pad_left = before, .pad_bottom = 1, .pad_right = 1});
}

WideBlock::WideBlock(Init& init, int in, int out, int stride, int embedding, Shortcut from)
    : norm0(in),
      norm1(out),
      conv0(init, in, out, stride),
      conv1(init, out, out),
      dense(lecun_normal(init, embedding, out)),
      shortcut(from) {}

Tensor WideBlock::operator()(const Tensor& x, const Tensor& embedding) const {
  const Tensor a = norm0(x);
  const Tensor h = conv1(norm1(conv0(a), dense(embedding)));
  Tensor base = shortcut == Shortcut::normalized ? a : x;
  if (conv0.stride > 1) base = ops::mean_pool(base, conv0.stride);
  const int64_t missing = h.size(3) - base.size(3);
  if (missing > 0) base = ops::pad(base, 3, 0, missing);
  return residual_sum(base, h, SkipScale::one);
}

void WideBlock::list(ParameterList& list) {
  list.part("norm0", "norm0", norm0.norm);
  list.add("conv0.weight", "conv0.weight", conv0.weight, ReferenceLayout::conv);
  list.part("dense", "dense", dense);
  list.part("norm1", "norm1", norm1.norm);
  list.add("conv1.weight", "conv1.weight", conv1.weight, ReferenceLayout::conv);
}

WideResNet::WideResNet(const ModelConfig& model, const ImageConfig& image, Init init)
    : model_(model), image_(image) {
  model.validate();
  check_fit(image.image_size >= 4 && image.image_size % 4 == 0, "data.image_size", image.image_size,
            "use a multiple of 4: the classifier halves the image twice");
  check_fit(image.channels == 1 || image.channels == 3, "data.channels", image.channels,
            "use images, grey (1) or RGB (3): the classifier is not for points");
  check_fit(model.num_classes >= 2, "model.num_classes", model.num_classes,
            "give the number of classes of the data set, 2 or more");
  embedding_ = TimeEmbedding(init, model);
  const int width = 4 * model.nf;
  embedding_.linear0 = lecun_normal(init, embedding_.width, width);
  embedding_.linear1 = lecun_normal(init, width, width);
  stem_ = WideConv(init, image.channels, kStemChannels);
  int channels = kStemChannels;
  const int blocks = (model.depth - 4) / 6;
  for (int i = 0; i < kGroups * blocks; ++i) {
    const int group = i / blocks, out = (kStemChannels << group) * model.widen_factor;
    const int stride = group > 0 && i % blocks == 0 ? 2 : 1;
    const auto from = i == 0 ? WideBlock::Shortcut::normalized : WideBlock::Shortcut::input;
    blocks_.emplace_back(init, channels, out, stride, width, from);
    channels = out;
  }
  head_norm_ = NormRelu(channels);
  head_.weight =
      init.uniform({model.num_classes, channels}, 1 / std::sqrt(double(model.num_classes)));
  head_.bias = Tensor::zeros({model.num_classes}, DType::f32);
}

Tensor WideResNet::standardized(const Tensor& x) const {
  Tensor u;
  if (image_.channels == 1) {
    u = normalized(x, image_.centered, average(kPixelMean), average(kPixelStd));
  } else {
    Tensors planes;
    for (int c = 0; c < 3; ++c) {
      const auto at = static_cast<size_t>(c);
      planes.push_back(
          normalized(ops::slice(x, 3, c, c + 1), image_.centered, kPixelMean[at], kPixelStd[at]));
    }
    u = ops::concat(planes, 3);
  }
  const Tensor centred = u - ops::reduce_run(ops::ReduceKind::mean, u, 1, 3);  // [N, H, W, C]
  const Tensor variance = ops::reduce_run(ops::ReduceKind::mean, ops::square(centred), 1, 3);
  const double floor = 1.0 / static_cast<double>(x.size(1) * x.size(2) * x.size(3));
  // max(variance, floor): the root of a variance of 0 has no slope.
  return centred * ops::rsqrt(floor + ops::relu(variance - floor));
}

Tensor WideResNet::features(const Tensor& x, const Tensor& labels,
                            const ForwardOptions& options) const {
  ITO_CHECK(
      x.rank() == 4 && x.size(1) % 4 == 0 && x.size(2) % 4 == 0 && x.size(3) == image_.channels,
      ShapeError, "the classifier takes [N, H, W, channels], H and W divisible by 4",
      kv("x", x.shape()), kv("channels", image_.channels));
  const DType dtype = head_.weight.dtype();
  const Tensor e = embedding_(labels, dtype);           // act(temb) [N, 4 nf]
  Tensor h = stem_(ops::cast(standardized(x), dtype));  // [N, H, W, 16]
  for (const WideBlock& block : blocks_) {
    h = segment(options.activations, {h, e},
                [block](const Tensors& in) { return block(in[0], in[1]); });
  }
  return ops::mean(head_norm_(h), {1, 2});
}

Tensor WideResNet::forward(const Tensor& x, const Tensor& labels,
                           const ForwardOptions& options) const {
  return ops::cast(logits(features(x, labels, options)), x.dtype());
}

void WideResNet::list(ParameterList& list) {
  list.add("embedding.frequencies", "embedding.frequencies", embedding_.frequencies,
           ReferenceLayout::same, Training::frozen);
  list.part("embedding.linear0", "embedding.linear0", *embedding_.linear0);
  list.part("embedding.linear1", "embedding.linear1", *embedding_.linear1);
  list.add("stem.weight", "stem.weight", stem_.weight, ReferenceLayout::conv);
  const size_t per_group = blocks_.size() / kGroups;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const std::string name =
        "group." + std::to_string(i / per_group) + ".block." + std::to_string(i % per_group);
    list.part(name, name, blocks_[i]);
  }
  list.part("head.norm", "head.norm", head_norm_.norm);
  list.part("head.linear", "head.linear", head_);
}

}  // namespace ito::nn
