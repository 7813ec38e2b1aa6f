#include "models/inception/inception.h"

#include <cmath>

#include "kernels/binary/op.h"
#include "kernels/concat/op.h"
#include "kernels/fir_resample/op.h"
#include "kernels/matmul/op.h"
#include "kernels/max_pool/op.h"
#include "kernels/reduce/op.h"
#include "kernels/unary/op.h"

namespace ito::nn {
namespace {

using Pool = InceptionBranch::Pool;

/// How a convolution looks: "same" padding, or none at all.
struct ConvSpec {
  const char* name;
  int out;
  int height = 1, width = 1;
  int stride = 1;
  enum class Padding : uint8_t { same, none } padding = Padding::same;
};
using Specs = std::vector<ConvSpec>;
constexpr auto kValid = ConvSpec::Padding::none;

struct BranchSpec {
  Pool pool = Pool::none;
  Specs chain;
  Specs fork = {};
};

/// Makes the blocks one after the other; remembers how many channels the last one gave.
class Builder {
 public:
  Builder(const InceptionConfig& config, Init& init) : divisor_(config.divisor), init_(init) {}

  void block(const std::string& scope, const std::vector<BranchSpec>& specs) {
    InceptionBlock block;
    int sum = 0;
    for (const BranchSpec& spec : specs) {
      InceptionBranch branch{.pool = spec.pool};
      int channels = channels_;
      for (const ConvSpec& conv : spec.chain) {
        branch.chain.push_back(make(scope, conv, channels));
        channels = conv.out / divisor_;
      }
      for (const ConvSpec& conv : spec.fork) {
        branch.fork.push_back(make(scope, conv, channels));
        sum += conv.out / divisor_;
      }
      if (spec.fork.empty()) sum += channels;
      block.push_back(std::move(branch));
    }
    channels_ = sum;
    blocks_.push_back(std::move(block));
  }

  // The blocks of the network, in the order in which they appear (figures 5, 6 and 7 of the paper;
  // 6a and 7a halve the size).
  void stem();
  void block_5(const char* name, int pool);
  void block_6(const char* name, int inner);
  void block_7(const char* name, Pool pool);
  void reduction_6a();
  void reduction_7a();

  int channels() const { return channels_; }
  std::vector<InceptionBlock> take() { return std::move(blocks_); }

 private:
  InceptionConv make(const std::string& scope, const ConvSpec& spec, int in) {
    const int out = spec.out / divisor_;
    const bool same = spec.padding == ConvSpec::Padding::same;
    const int rows = same ? spec.height / 2 : 0, columns = same ? spec.width / 2 : 0;
    const double fan_in = in * spec.height * spec.width;
    return {.name = scope.empty() ? spec.name : scope + "." + spec.name,
            .weight = init_.normal({out, spec.height, spec.width, in}, std::sqrt(2 / fan_in)),
            .bias = init_.constant({out}, 0),
            .attrs = {.stride = spec.stride,
                      .pad_top = rows,
                      .pad_left = columns,
                      .pad_bottom = rows,
                      .pad_right = columns}};
  }

  int divisor_;
  Init& init_;
  int channels_ = 3;
  std::vector<InceptionBlock> blocks_;
};

void Builder::stem() {
  block("", {{.chain = {{"Conv2d_1a_3x3", 32, 3, 3, 2, kValid},
                        {"Conv2d_2a_3x3", 32, 3, 3, 1, kValid},
                        {"Conv2d_2b_3x3", 64, 3, 3}}}});
  block("", {{.pool = Pool::reduction,
              .chain = {{"Conv2d_3b_1x1", 80, 1, 1}, {"Conv2d_4a_3x3", 192, 3, 3, 1, kValid}}}});
  block("", {{.pool = Pool::reduction}});
}

void Builder::block_5(const char* name, int pool) {
  block(name, {{.chain = {{"branch1x1", 64}}},
               {.chain = {{"branch5x5_1", 48}, {"branch5x5_2", 64, 5, 5}}},
               {.chain = {{"branch3x3dbl_1", 64},
                          {"branch3x3dbl_2", 96, 3, 3},
                          {"branch3x3dbl_3", 96, 3, 3}}},
               {.pool = Pool::mean, .chain = {{"branch_pool", pool}}}});
}

void Builder::reduction_6a() {
  block("Mixed_6a", {{.chain = {{"branch3x3", 384, 3, 3, 2, kValid}}},
                     {.chain = {{"branch3x3dbl_1", 64},
                                {"branch3x3dbl_2", 96, 3, 3},
                                {"branch3x3dbl_3", 96, 3, 3, 2, kValid}}},
                     {.pool = Pool::reduction}});
}

void Builder::block_6(const char* name, int inner) {
  block(name, {{.chain = {{"branch1x1", 192}}},
               {.chain = {{"branch7x7_1", inner},
                          {"branch7x7_2", inner, 1, 7},
                          {"branch7x7_3", 192, 7, 1}}},
               {.chain = {{"branch7x7dbl_1", inner},
                          {"branch7x7dbl_2", inner, 7, 1},
                          {"branch7x7dbl_3", inner, 1, 7},
                          {"branch7x7dbl_4", inner, 7, 1},
                          {"branch7x7dbl_5", 192, 1, 7}}},
               {.pool = Pool::mean, .chain = {{"branch_pool", 192}}}});
}

void Builder::reduction_7a() {
  block("Mixed_7a", {{.chain = {{"branch3x3_1", 192}, {"branch3x3_2", 320, 3, 3, 2, kValid}}},
                     {.chain = {{"branch7x7x3_1", 192},
                                {"branch7x7x3_2", 192, 1, 7},
                                {"branch7x7x3_3", 192, 7, 1},
                                {"branch7x7x3_4", 192, 3, 3, 2, kValid}}},
                     {.pool = Pool::reduction}});
}

void Builder::block_7(const char* name, Pool pool) {
  block(name, {{.chain = {{"branch1x1", 320}}},
               {.chain = {{"branch3x3_1", 384}},
                .fork = {{"branch3x3_2a", 384, 1, 3}, {"branch3x3_2b", 384, 3, 1}}},
               {.chain = {{"branch3x3dbl_1", 448}, {"branch3x3dbl_2", 384, 3, 3}},
                .fork = {{"branch3x3dbl_3a", 384, 1, 3}, {"branch3x3dbl_3b", 384, 3, 1}}},
               {.pool = pool, .chain = {{"branch_pool", 192}}}});
}

/// 1 / the number of pixels of a 3 x 3 window that exist, [1, H, W, 1].
Tensor window_weights(int64_t height, int64_t width, const Tensor& like) {
  const auto existing = [](int64_t i, int64_t size) {
    return std::min(i + 2, size) - std::max<int64_t>(i - 1, 0);
  };
  std::vector<float> weights;
  for (int64_t i = 0; i < height; ++i) {
    for (int64_t j = 0; j < width; ++j) {
      weights.push_back(1.0f / static_cast<float>(existing(i, height) * existing(j, width)));
    }
  }
  return Tensor::from(weights, {1, height, width, 1}).to(like.device());
}

Tensor pooled(const Tensor& x, Pool pool) {
  switch (pool) {
    case Pool::none:
      return x;
    case Pool::maximum:
      return ops::max_pool(x, {.kernel = 3, .stride = 1, .pad = 1});
    case Pool::reduction:
      return ops::max_pool(x, {.kernel = 3, .stride = 2, .pad = 0});
    case Pool::mean:
      break;
  }
  const Tensor sums = ops::fir_resample(
      x, {.taps = {1, 1, 1}, .pad_y0 = 1, .pad_y1 = 1, .pad_x0 = 1, .pad_x1 = 1, .gain = 9});
  return sums * window_weights(x.size(1), x.size(2), x);
}

Tensor through(const InceptionBlock& block, const Tensor& x) {
  Tensors outputs;
  for (const InceptionBranch& branch : block) {
    Tensor h = pooled(x, branch.pool);
    for (const InceptionConv& conv : branch.chain) h = conv(h);
    for (const InceptionConv& conv : branch.fork) outputs.push_back(conv(h));
    if (branch.fork.empty()) outputs.push_back(h);
  }
  return outputs.size() == 1 ? outputs[0] : ops::concat(outputs, 3);
}

}  // namespace

Tensor InceptionConv::operator()(const Tensor& x) const {
  return ops::relu(ops::conv2d(x, weight, bias, attrs));
}

Inception::Inception(const InceptionConfig& config, Init init) : config_(config) {
  const int d = config.divisor;
  ITO_CHECK(d == 1 || d == 2 || d == 4 || d == 8 || d == 16, ValueError,
            "the widths divide by 1, 2, 4, 8 and 16", kv("divisor", d));
  constexpr int kMostClasses = 100'000;
  ITO_CHECK(config.classes >= 1 && config.classes <= kMostClasses, ValueError,
            "needs 1 to 100000 classes", kv("classes", config.classes));
  Builder b(config, init);
  b.stem();
  b.block_5("Mixed_5b", 32);
  b.block_5("Mixed_5c", 64);
  b.block_5("Mixed_5d", 64);
  b.reduction_6a();
  b.block_6("Mixed_6b", 128);
  b.block_6("Mixed_6c", 160);
  b.block_6("Mixed_6d", 160);
  b.block_6("Mixed_6e", 192);
  b.reduction_7a();
  b.block_7("Mixed_7b", Pool::mean);
  b.block_7("Mixed_7c", Pool::maximum);
  head_weight_ = init.normal({config.classes, b.channels()}, std::sqrt(1.0 / b.channels()));
  head_bias_ = init.constant({config.classes}, 0);
  blocks_ = b.take();
}

Tensor Inception::features(const Tensor& x) const {
  constexpr int64_t kLeast = 75;  // smaller images vanish before the last block
  ITO_CHECK(x.rank() == 4 && x.size(3) == 3 && x.size(1) >= kLeast && x.size(2) >= kLeast,
            ShapeError, "needs images [N, H, W, 3] of at least 75 x 75", kv("x", x.shape()));
  Tensor h = x;
  for (const InceptionBlock& block : blocks_) h = through(block, h);
  return ops::mean(h, {1, 2});
}

Tensor Inception::score_logits(const Tensor& features) const {
  return ops::linear(features, head_weight_, {});
}

Tensor Inception::forward(const Tensor& x, const Tensor&, const ForwardOptions&) const {
  return ops::linear(features(x), head_weight_, head_bias_);
}

void Inception::list(ParameterList& list) {
  for (InceptionBlock& block : blocks_) {
    for (InceptionBranch& branch : block) {
      for (auto* convs : {&branch.chain, &branch.fork}) {
        for (InceptionConv& conv : *convs) {
          list.add(conv.name + ".weight", conv.name + ".conv.weight", conv.weight,
                   ReferenceLayout::conv);
          list.add(conv.name + ".bias", conv.name + ".bn.bias", conv.bias);
        }
      }
    }
  }
  list.add("fc.weight", "fc.weight", head_weight_);
  list.add("fc.bias", "fc.bias", head_bias_);
}

}  // namespace ito::nn
