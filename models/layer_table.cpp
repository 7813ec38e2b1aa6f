#include "models/layer_table.h"

#include <map>
#include <set>

#include "engine/autograd/node.h"

namespace ito::nn {
namespace {

using OutputShapes = std::map<const Tensor::Impl*, Shape>;

/// For every leaf below `root` the largest output of the ops that take it.
OutputShapes outputs_by_leaf(const std::shared_ptr<Node>& root) {
  OutputShapes shapes;
  std::set<const Node*> seen{root.get()};
  std::vector<const Node*> open{root.get()};
  while (!open.empty()) {
    const Node* node = open.back();
    open.pop_back();
    const Shape& output = node->output_specs().front().shape;
    for (const Edge& edge : node->edges()) {
      if (edge.node && seen.insert(edge.node.get()).second) open.push_back(edge.node.get());
      if (!edge.leaf) continue;
      const auto [known, inserted] = shapes.try_emplace(edge.leaf.get(), output);
      if (!inserted && known->second.numel() < output.numel()) known->second = output;
    }
  }
  return shapes;
}

/// The tape of a pass over one image of `size` x `size` pixels; null if the network cannot take it.
std::shared_ptr<Node> tape_at(const Network& network, int size, int channels) {
  try {
    const Tensor x = Tensor::full({1, size, size, channels}, 0.5, DType::f32);
    return network.forward(x, Tensor::full({1}, 0.5, DType::f32)).node();
  } catch (const ShapeError&) {
    return nullptr;
  }
}

/// The shape at `factor` (a power of 2) times the size, from the shapes at that size and at twice
/// that size: every number in them is a power of the size times a constant.
Shape extrapolated(Shape shape, const Shape& doubled, int factor) {
  const Shape small = shape;
  for (; factor > 1; factor /= 2) {
    for (int axis = 0; axis < shape.rank(); ++axis) {
      shape = shape.with(axis, shape[axis] * (doubled[axis] / small[axis]));
    }
  }
  return shape;
}

/// Output shapes at the size of `image`, from passes over the smallest images that will do.
OutputShapes output_shapes(const Network& network, const ImageConfig& image) {
  int factor = 1;
  while (image.image_size % (2 * factor) == 0) factor *= 2;
  std::shared_ptr<Node> tape = tape_at(network, image.image_size / factor, image.channels);
  while (!tape && factor > 1) {
    factor /= 2;
    tape = tape_at(network, image.image_size / factor, image.channels);
  }
  if (!tape) return {};
  OutputShapes shapes = outputs_by_leaf(tape);
  if (factor == 1) return shapes;
  const auto doubled =
      outputs_by_leaf(tape_at(network, 2 * image.image_size / factor, image.channels));
  for (auto& [leaf, shape] : shapes) shape = extrapolated(shape, doubled.at(leaf), factor);
  return shapes;
}

std::string layer_of(const std::string& parameter) {
  return parameter.substr(0, parameter.rfind('.'));
}

}  // namespace

std::vector<LayerRow> layer_table(Network& network, const ImageConfig& image) {
  const std::vector<Parameter> parameters = parameters_of(network);
  for (const Parameter& p : parameters) p.value->set_requires_grad();
  const OutputShapes outputs = output_shapes(network, image);
  std::vector<LayerRow> rows;
  for (const Parameter& p : parameters) {
    if (rows.empty() || rows.back().name != layer_of(p.name)) rows.push_back({layer_of(p.name)});
    rows.back().parameters += p.value->numel();
    const auto output = outputs.find(p.value->impl().get());
    if (output == outputs.end()) continue;
    Shape& largest = rows.back().output;
    if (largest.rank() == 0 || largest.numel() < output->second.numel()) largest = output->second;
  }
  return rows;
}

}  // namespace ito::nn
