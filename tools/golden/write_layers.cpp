// The case layer_own: small layers of each group, with odd sizes.
#include <functional>
#include <nlohmann/json.hpp>

#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/fir_resample/op.h"
#include "kernels/reduce/op.h"
#include "models/layers/variance_norm.h"
#include "models/refinenet/blocks.h"
#include "models/unet/res_block.h"
#include "tools/golden/case_run.h"
#include "tools/golden/case_writer.h"

namespace ito::golden {
namespace {

constexpr int64_t kImages = 2, kHeight = 5, kWidth = 6;

class LayerWriter {
 public:
  nn::Init& init() { return init_; }

  /// One sub-case. Parameters and inputs are drawn in fp32; everything else is fp64.
  template <class Layer>
  void add(const std::string& name, const nlohmann::json& options, Layer& layer,
           const std::vector<std::pair<std::string, Shape>>& inputs,
           const std::function<Tensor(const Tensors&)>& apply) {
    options_[name] = options;
    writer_.set_prefix(name + "/");
    nn::ParameterList list;
    layer.list(list);
    const std::vector<nn::Parameter>& parameters = list.parameters();
    draw_parameters(parameters, init_);
    writer_.add_parameters(parameters);
    for (const nn::Parameter& p : parameters) *p.value = ops::cast(*p.value, DType::f64);
    track_parameters(parameters);
    Tensors x;
    for (const auto& [input, shape] : inputs) {
      x.push_back(draw("input." + input, shape));
      x.back().set_requires_grad();
    }
    const Tensor y = apply(x);
    const Tensor loss = ops::sum(y * draw("input.v", y.shape()));
    write("output.y", y);
    writer_.add("loss", loss);
    writer_.add_gradients(parameters, loss);
    for (size_t i = 0; i < x.size(); ++i) {
      write("grad_input." + inputs[i].first, grad(loss, {x[i]}, {.keep_graph = true})[0]);
    }
  }
  /// A further input of the next sub-case.
  void add_input(const std::string& sub_case, const std::string& name, const Tensor& value) {
    writer_.set_prefix(sub_case + "/");
    writer_.add(name, value);
  }
  void write_file(const std::filesystem::path& folder) const {
    writer_.write(folder, "layer_own", "layer", {{"cases", options_.dump()}});
  }

 private:
  Tensor draw(const std::string& name, const Shape& shape) {
    const Tensor value = init_.normal(shape, 1);
    write(name, value);
    return ops::cast(value, DType::f64);
  }
  void write(const std::string& name, const Tensor& value) {
    if (value.shape().rank() == 4) {
      writer_.add_image(name, value);
    } else {
      writer_.add(name, value);
    }
  }

  nn::Init init_{2};
  CaseWriter writer_;
  nlohmann::json options_ = nlohmann::json::object();
};

Shape image(int64_t channels) { return {kImages, kHeight, kWidth, channels}; }

/// A layer without parameters.
struct Nothing {
  void list(nn::ParameterList&) {}
};

void add_unet_layers(LayerWriter& w) {
  nn::GroupNorm norm(6, 3);
  w.add("gn_silu", {{"groups", 3}, {"eps", 1e-6}}, norm, {{"x", image(6)}},
        [&](const Tensors& x) { return norm(x[0], nn::Activation::swish); });
  nn::AttentionBlock attention(w.init(), 4, 2, 1, nn::SkipScale::inverse_sqrt2);
  w.add("AttnBlockpp_4", {{"skip_rescale", true}, {"groups", 2}}, attention, {{"x", image(4)}},
        [&](const Tensors& x) { return attention(x[0]); });
  const nn::BlockStyle style{.activation = nn::Activation::elu,
                             .skip_scale = nn::SkipScale::inverse_sqrt2,
                             .embedding = 3,
                             .taps = {1, 2, 1}};
  nn::ResBlock block(w.init(), 4, 8, style, nn::ResBlock::Resampling::up);
  w.add("biggan_up",
        {{"module", "ResnetBlockBigGANpp"},
         {"act", "ELU"},
         {"skip_rescale", true},
         {"up", true},
         {"fir", true},
         {"fir_kernel", {1, 2, 1}}},
        block, {{"x", image(4)}, {"temb", Shape{kImages, 3}}}, [&](const Tensors& x) {
          const nn::ForwardOptions options;
          return block(x[0],
                       {.embedding = nn::activate(style.activation, x[1]), .options = options});
        });
}

void add_resampling_layers(LayerWriter& w) {
  nn::Resample up(w.init(), nn::Direction::up, {1, 2, 1}, 2, 3);  // odd taps: a negative pad
  w.add("Upsample_fir_conv",
        {{"module", "layerspp.Upsample"},
         {"fir", true},
         {"fir_kernel", {1, 2, 1}},
         {"with_conv", true}},
        up, {{"x", image(2)}}, [&](const Tensors& x) { return up(x[0]); });
  Nothing nothing;
  const Tensor kernel = Tensor::from(std::vector<float>{1, 2, 2, 4}, {2, 2});
  w.add_input("upfirdn2d_up3_down2", "input.kernel", kernel);  // outer(r, r) / 9 with r = (3, 6)
  w.add("upfirdn2d_up3_down2", {{"up", 3}, {"down", 2}, {"pad", {2, -1}}}, nothing,
        {{"x", image(2)}}, [](const Tensors& x) {
          return ops::fir_resample(x[0], {.taps = {1, 2},
                                          .up = 3,
                                          .down = 2,
                                          .pad_y0 = 2,
                                          .pad_y1 = -1,
                                          .pad_x0 = 2,
                                          .pad_x1 = -1,
                                          .gain = 9});
        });
}

void add_refinenet_layers(LayerWriter& w) {
  nn::VarianceNorm norm(w.init(), 5);
  w.add("VarianceNorm2d", nlohmann::json::object(), norm, {{"x", image(5)}},
        [&](const Tensors& x) { return norm(x[0]); });
  const nn::RefineStyle style;
  const nn::RefineContext context{style.activation, Tensor()};
  nn::DilatedBlock block(w.init(), 5, 4, nn::DilatedBlock::Size::down, 1, style);
  w.add("ResidualBlock_down", {{"dilation", 1}, {"resample", "down"}}, block,
        {{"x", Shape{kImages, 6, 4, 5}}}, [&](const Tensors& x) { return block(x[0], context); });
  nn::RefineBlock refine(w.init(), {3, 4}, 3, nn::RefineBlock::Place::middle, style);
  w.add("RefineBlock", nlohmann::json::object(), refine,
        {{"x1", image(3)}, {"x2", Shape{kImages, 3, 3, 4}}},
        [&](const Tensors& x) { return refine(x, context); });
  const nn::RefineStyle conditional{.levels = 4, .pooling = nn::Pooling::mean};
  nn::PoolingChain chain(w.init(), 3, conditional);
  const Tensor level = Tensor::from(std::vector<int64_t>{3, 1}, {kImages});
  w.add_input("CondCRPBlock", "input.y", level);
  w.add("CondCRPBlock", nlohmann::json::object(), chain, {{"x", image(3)}}, [&](const Tensors& x) {
    return chain(x[0], {conditional.activation, level});
  });
}

}  // namespace

void write_layers(const std::filesystem::path& folder) {
  LayerWriter writer;
  add_unet_layers(writer);
  add_resampling_layers(writer);
  add_refinenet_layers(writer);
  writer.write_file(folder);
}

}  // namespace ito::golden
