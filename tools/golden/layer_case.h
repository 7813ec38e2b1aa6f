// One layer of ours against the arrays of its sub-case.
#pragma once

#include <functional>
#include <span>

#include "models/layers/layers.h"
#include "tools/golden/case_run.h"

namespace ito::golden {

struct LayerCase {
  std::vector<nn::Parameter> parameters = {};
  /// What `apply` takes: arrays input.NAME in this order, images as [N, H, W, C].
  std::vector<std::string> inputs = {"x"};
  std::function<Tensor(const Tensors&)> apply;
  double limit = 1e-5;  ///< of the output and of gradients
  /// Noise levels stay f32 in bf16 runs, as they do in networks.
  enum class Inputs : uint8_t { activations, noise_levels };
  Inputs kind = Inputs::activations;
};

/// Loads the parameters, applies the layer, and compares the output, the loss and all gradients.
void check_layer(CaseRun& run, const LayerCase& layer);

/// The parameters of a layer or block, in the reference's names.
template <class Layer>
std::vector<nn::Parameter> parameters_in(Layer& layer) {
  nn::ParameterList list;
  layer.list(list);
  return list.parameters();
}

/// Size of an axis of an array of the sub-case.
inline int size_in(const Case& c, const std::string& array, int axis) {
  return static_cast<int>(c.at(array).size(axis));
}

/// Option `act`: "SiLU", "ELU", ...
nn::Activation activation_option(const Case& c, const char* fallback);
/// Option `fir_kernel`.
std::vector<double> taps_option(const Case& c);

/// Sub-cases whose kind (option `op` or `module`, else the name) begins with this word.
struct LayerKind {
  const char* word;
  void (*run)(CaseRun& run);
};
std::span<const LayerKind> unet_layers();
std::span<const LayerKind> resampling_layers();
std::span<const LayerKind> refinenet_layers();

}  // namespace ito::golden
