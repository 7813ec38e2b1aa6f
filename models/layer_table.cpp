#include "models/layer_table.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/autograd/autograd.h"
#include "engine/autograd/node.h"
#include "engine/core/allocator.h"
#include "kernels/binary/op.h"
#include "kernels/reduce/op.h"

namespace ito::nn {
namespace {

/// The network without numbers, its parameters leaves of the tape.
std::unique_ptr<Network> shapes_of(const Network& network) {
  auto shapes = network.clone();
  move_to(*shapes, kMeta);
  for (const Parameter& p : parameters_of(*shapes)) p.value->set_requires_grad();
  return shapes;
}

Tensor forward(const Network& network, const ImageConfig& image, int64_t batch,
               Activations activations) {
  const Shape shape{batch, image.image_size, image.image_size, image.channels};
  return network.forward(Tensor::empty(shape, DType::f32, kMeta),
                         Tensor::empty({batch}, DType::f32, kMeta), {.activations = activations});
}

/// All nodes at and below `root`, in the order of their making.
std::vector<const Node*> tape_below(const Node* root) {
  std::set<const Node*> seen;
  std::vector<const Node*> open{root}, nodes;
  while (!open.empty()) {
    const Node* node = open.back();
    open.pop_back();
    if (node == nullptr || !seen.insert(node).second) continue;
    nodes.push_back(node);
    for (const Edge& edge : node->edges()) open.push_back(edge.node.get());
  }
  std::ranges::sort(nodes, {}, [](const Node* n) { return n->sequence(); });
  return nodes;
}

std::string layer_of(const std::string& parameter) {
  return parameter.substr(0, parameter.rfind('.'));
}

/// Adds ops to the rows of the parameters that they use.
class Attribution {
 public:
  Attribution(std::vector<LayerRow>& rows, const std::vector<Parameter>& parameters) : rows_(rows) {
    for (const Parameter& p : parameters) {
      if (rows_.empty() || rows_.back().name != layer_of(p.name)) {
        rows_.push_back({.name = layer_of(p.name)});
      }
      rows_.back().parameters += p.value->numel();
      row_of_[p.value->impl().get()] = rows_.size() - 1;
      counted_.insert(p.value->storage().get());
    }
  }

  void add(const Node& node) {
    for (const Edge& edge : node.edges()) {
      const auto found = row_of_.find(edge.leaf.get());
      if (found == row_of_.end()) continue;
      current_ = found->second;
      const Shape& output = node.output_specs().front().shape;
      Shape& largest = rows_[current_].output;
      if (largest.rank() == 0 || largest.numel() < output.numel()) largest = output;
    }
    if (rows_.empty()) return;
    rows_[current_].flops += node.cost().flops;
    for (const Tensor& t : node.saved()) {
      if (!counted_.insert(t.storage().get()).second) continue;
      rows_[current_].kept_bytes += static_cast<int64_t>(t.storage()->bytes());
    }
  }

 private:
  std::vector<LayerRow>& rows_;
  std::map<const Tensor::Impl*, size_t> row_of_;
  std::set<const Storage*> counted_;
  size_t current_ = 0;
};

/// Highest use of memory on `meta` while f runs, above what is there before.
template <class F>
int64_t peak_of(F&& f) {
  Allocator& allocator = allocator_of(kMeta);
  const int64_t before = allocator.stats().live_bytes;
  allocator.reset_peak();
  f();
  return allocator.stats().peak_bytes - before;
}

}  // namespace

std::vector<LayerRow> layer_table(const Network& network, const ImageConfig& image) {
  const auto shapes = shapes_of(network);
  const Tensor y = forward(*shapes, image, 1, Activations::keep);
  std::vector<LayerRow> rows;
  Attribution attribution(rows, parameters_of(*shapes));
  for (const Node* node : tape_below(y.node().get())) attribution.add(*node);
  return rows;
}

Footprint footprint(const Network& network, const ImageConfig& image, int64_t batch,
                    Activations activations) {
  const auto shapes = shapes_of(network);
  Footprint result;
  result.sampling_bytes = peak_of([&] {
    const NoGradScope off;
    forward(*shapes, image, batch, activations);
  });
  Tensors leaves;
  for (const Parameter& p : parameters_of(*shapes)) leaves.push_back(*p.value);
  const auto loss_of = [&](Activations kept) {
    const Tensor y = forward(*shapes, image, batch, kept);
    return ops::sum(y * y);
  };
  for (const Tensor whole = loss_of(Activations::keep);
       const Node* node : tape_below(whole.node().get())) {
    result.flops += node->cost().flops;
  }
  // As training does, which sums gradients in memory of its own.
  const GradOptions options{.take = [](size_t, const Tensor&) {}};
  result.training_bytes = peak_of([&] { grad(loss_of(activations), leaves, options); });
  return result;
}

}  // namespace ito::nn
