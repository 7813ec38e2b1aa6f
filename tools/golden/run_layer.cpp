// Cases layer_*: many sub-cases in a file, each a layer with its parameters, inputs, output and
// gradients.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>

#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/permute/op.h"
#include "kernels/reduce/op.h"
#include "tools/golden/layer_case.h"

namespace ito::golden {
namespace {

bool is_image(const Case& c, const std::string& array) { return c.at(array).shape().rank() == 4; }

Tensor array_of(const CaseRun& run, const std::string& name) {
  return is_image(run.golden(), name) ? run.image(name) : run.input(name);
}

/// A result of ours in the layout of the file.
Tensor to_file_layout(const Case& c, const std::string& array, const Tensor& ours) {
  const NoGradScope off;
  return is_image(c, array) ? ops::permute(ours.detach(), {0, 3, 1, 2}) : ours.detach();
}

void load(const CaseRun& run, const std::vector<nn::Parameter>& parameters) {
  const NoGradScope off;
  for (const nn::Parameter& p : parameters) {
    const Tensor value = nn::from_reference(run.input(p.reference_name), p.layout);
    if (value.shape() != p.value->shape()) {
      fail(ErrorCode::file_mismatch, run.golden().file.string(),
           p.reference_name + " has shape " + to_string(value.shape()) + ", the layer needs " +
               to_string(p.value->shape()),
           "check the options in the case's description");
    }
    *p.value = ops::cast(value, run.mode().parameters());
  }
}

void expect_input_gradients(CaseRun& run, const LayerCase& layer, const Tensors& leaves,
                            const Tensor& loss) {
  for (size_t i = 0; i < leaves.size(); ++i) {
    const std::string name = "grad_input." + layer.inputs[i];
    if (!run.golden().has(name)) continue;
    const Tensor g = grad(loss, {leaves[i]}, {.keep_graph = true, .allow_unused = true})[0];
    expect_gradient(run, name, g ? to_file_layout(run.golden(), name, g) : Tensor(), layer.limit);
  }
}

/// What tells the layer of a sub-case: "upsample_2d", "ResnetBlockDDPM", "gn_silu_2x16x8x8_g4".
std::string kind_of(const Case& c) {
  if (c.has("input.kernel")) return "upfirdn2d";
  std::string kind = c.text("op", c.text("module", c.name));
  kind = kind.substr(kind.rfind('.') + 1);
  for (const std::string_view prefix : {"layers_", "layerspp_"}) {
    if (kind.starts_with(prefix)) kind = kind.substr(prefix.size());
  }
  return kind;
}

void run_sub_case(CaseRun& run) {
  const std::string kind = kind_of(run.golden());
  for (const auto& group : {unet_layers(), resampling_layers(), refinenet_layers()}) {
    for (const LayerKind& layer : group) {
      const size_t end = std::string_view(layer.word).size();
      // "AttnBlock" is not "AttnBlockpp", but it is "AttnBlock_small".
      if (!kind.starts_with(layer.word)) continue;
      if (kind.size() > end && std::isalpha(static_cast<unsigned char>(kind[end]))) continue;
      return layer.run(run);
    }
  }
  throw Unknown("sub-case:" + run.golden().name);
}

}  // namespace

void check_layer(CaseRun& run, const LayerCase& layer) {
  const Case& c = run.golden();
  const bool narrow = layer.kind == LayerCase::Inputs::activations;
  load(run, layer.parameters);
  track_parameters(layer.parameters);
  Tensors leaves, inputs;
  for (const std::string& name : layer.inputs) {
    Tensor leaf = array_of(run, "input." + name);
    if (c.has("grad_input." + name)) leaf.set_requires_grad();
    inputs.push_back(narrow ? ops::cast(leaf, run.mode().parameters()) : leaf);
    leaves.push_back(std::move(leaf));
  }
  const Tensor y = ops::cast(layer.apply(inputs), run.mode().data());
  run.expect("output.y", to_file_layout(c, "output.y", y), layer.limit);
  if (!c.has("loss")) return;
  const Tensor v = array_of(run, "input.v");
  const Tensor loss = ops::sum(y * v);
  expect_loss(run, loss, y, v);
  expect_gradients(run, layer.parameters, loss, layer.limit);
  expect_input_gradients(run, layer, leaves, loss);
}

nn::Activation activation_option(const Case& c, const char* fallback) {
  std::string name = c.text("act", fallback);
  std::ranges::transform(name, name.begin(), [](unsigned char ch) { return std::tolower(ch); });
  if (name == "silu" || name == "swish") return nn::Activation::swish;
  if (name == "elu") return nn::Activation::elu;
  if (name == "relu") return nn::Activation::relu;
  if (name == "lrelu" || name == "leakyrelu") return nn::Activation::lrelu;
  throw Unknown("act:" + name);
}

std::vector<double> taps_option(const Case& c) { return c.numbers("fir_kernel", {1, 3, 3, 1}); }

void run_layer(CaseRun& run) {
  for (const std::string& name : sub_cases_of(run.golden())) {
    const Case sub = sub_case(run.golden(), name);
    CaseRun part(sub, run.mode());
    run_sub_case(part);
    part.check_complete(name + "/");
    run.adopt(part);
  }
}

}  // namespace ito::golden
