#include "models/refinenet/refinenet.h"

#include <span>

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/unary/op.h"
#include "models/layers/time_embedding.h"

namespace ito::nn {
namespace {

/// A residual stage and the refine block at its resolution; widths in multiples of nf.
struct Level {
  const char* number;  ///< in the reference's names of the stage ("res31")
  const char* refine_number;
  int width;
  DilatedBlock::Size size;
  int dilation;
  int refined_width;
};

constexpr auto kSame = DilatedBlock::Size::same, kDown = DilatedBlock::Size::down;

constexpr Level kFor64[] = {{"1", "4", 1, kSame, 1, 1},
                            {"2", "3", 2, kDown, 1, 1},
                            {"3", "2", 2, kDown, 2, 2},
                            {"4", "1", 2, kDown, 4, 2}};
constexpr Level kFor128[] = {{"1", "5", 1, kSame, 1, 1},
                             {"2", "4", 2, kDown, 1, 1},
                             {"3", "3", 2, kDown, 1, 2},
                             {"4", "2", 4, kDown, 2, 2},
                             {"5", "1", 4, kDown, 4, 4}};
constexpr Level kFor256[] = {{"1", "5", 1, kSame, 1, 1}, {"2", "4", 2, kDown, 1, 1},
                             {"3", "3", 2, kDown, 1, 2}, {"31", "31", 2, kDown, 1, 2},
                             {"4", "2", 4, kDown, 2, 2}, {"5", "1", 4, kDown, 4, 4}};

std::span<const Level> levels_of(const std::string& name) {
  if (name == "ncsnv2_128") return kFor128;
  if (name == "ncsnv2_256") return kFor256;
  return kFor64;
}

void check_size(const ModelConfig& model, const ImageConfig& image) {
  int factor = 1;
  for (const Level& level : levels_of(model.name)) {
    if (level.size == kDown && level.dilation == 1) factor *= 2;
  }
  if (image.image_size >= 1 && image.image_size % factor == 0) return;
  fail(ErrorCode::bad_combination, "data.image_size",
       "is " + std::to_string(image.image_size) + " with model.name = \"" + model.name + "\"",
       "use a multiple of " + std::to_string(factor));
}

}  // namespace

RefineNet::RefineNet(const ModelConfig& model, const ImageConfig& image, Init init)
    : model_(model), image_(image) {
  model_.validate();
  check_size(model, image);
  style_ = {.activation = activation_of(model.nonlinearity),
            .levels = model.name == "ncsn" && model.conditional ? image.num_scales : 0,
            .pooling = model.name == "ncsn" ? Pooling::mean : Pooling::maximum};
  const std::span<const Level> levels = levels_of(model.name);
  constexpr auto kBias = PlainConv::Bias::present;
  begin_ = PlainConv(init, image.channels, model.nf, 3, kBias);
  end_norm_ = InstanceNormPlus(init, model.nf, style_.levels);
  end_ = PlainConv(init, model.nf, image.channels, 3, kBias);
  int channels = model.nf;
  for (const Level& level : levels) {
    const int width = level.width * model.nf;
    DilatedBlock first(init, channels, width, level.size, level.dilation, style_);
    stages_.push_back({std::string("res") + level.number, std::move(first),
                       DilatedBlock(init, width, width, kSame, level.dilation, style_)});
    channels = width;
  }
  for (size_t i = levels.size(); i-- > 0;) {
    std::vector<int> in{levels[i].width * model.nf};
    if (i + 1 < levels.size()) in.push_back(levels[i + 1].refined_width * model.nf);
    const auto place = i == 0 ? RefineBlock::Place::last : RefineBlock::Place::middle;
    refinements_.push_back(
        {std::string("refine") + levels[i].refine_number,
         RefineBlock(init, in, levels[i].refined_width * model.nf, place, style_)});
  }
}

Tensor RefineNet::forward(const Tensor& x, const Tensor& labels,
                          const ForwardOptions& options) const {
  const DType dtype = begin_.weight.dtype();
  const RefineContext context{style_.activation,
                              style_.levels > 0 ? ops::cast(labels, DType::i64) : Tensor()};
  const Tensor image = image_.centered ? x : 2.0 * x - 1.0;
  Tensor h = begin_(ops::cast(image, dtype));  // [N, H, W, nf]
  std::vector<Tensor> stages;
  for (const Stage& stage : stages_) {
    h = segment(options.activations, {h},
                [a = stage.block0, b = stage.block1, context](const Tensors& inputs) {
                  return b(a(inputs[0], context), context);
                });
    stages.push_back(h);
  }
  Tensor refined;
  for (const Refinement& refinement : refinements_) {
    std::vector<Tensor> in{stages.back()};
    if (refined) in.push_back(refined);
    refined = segment(options.activations, in,
                      [block = refinement.block, context](const Tensors& inputs) {
                        return block(inputs, context);
                      });
    stages.pop_back();
  }
  const Tensor last = activate(style_.activation, end_norm_(refined, context.level));
  const Tensor output = ops::cast(end_(last), x.dtype());  // [N, H, W, channels]
  return model_.scale_by_sigma ? TimeEmbedding().divide_by_sigma(output, labels, image_) : output;
}

void RefineNet::list(ParameterList& list) {
  list.part("begin", "begin_conv", begin_);
  list.part("end.norm", "normalizer", end_norm_);
  list.part("end.conv", "end_conv", end_);
  for (size_t i = 0; i < stages_.size(); ++i) {
    const ParameterList::Scope scope(list, "stage." + std::to_string(i), stages_[i].reference_name);
    list.part("block.0", "0", stages_[i].block0);
    list.part("block.1", "1", stages_[i].block1);
  }
  for (size_t i = 0; i < refinements_.size(); ++i) {
    list.part("refine." + std::to_string(refinements_.size() - 1 - i),
              refinements_[i].reference_name, refinements_[i].block);
  }
}

}  // namespace ito::nn
