#include "kernels/common/segment.h"

#include <algorithm>
#include <memory>
#include <unordered_set>

#include "engine/autograd/autograd.h"
#include "engine/autograd/node.h"
#include "kernels/common/define_op.h"

namespace ito {
namespace {

using Part = std::function<Tensor(const Tensors&)>;

struct SegmentAttrs {
  Part part;
  size_t inputs;  ///< of the part; the leaves that it uses follow
};

bool is_tracked(const Tensor& t) { return t && t.requires_grad(); }

/// Inputs behind nodes of their own, at which the part's tape ends.
Tensors entries_of(const Tensors& inputs) {
  Tensors entries = inputs;
  for (Tensor& t : entries) {
    if (is_tracked(t)) t = kAlgebra.identity(t);
  }
  return entries;
}

/// The leaves that the tape between `entries` and `y` uses, in the order of their use.
Tensors leaves_between(const Tensors& entries, const Tensor& y) {
  std::unordered_set<const Node*> seen;
  for (const Tensor& t : entries) {
    if (is_tracked(t)) seen.insert(t.node().get());
  }
  const size_t borders = seen.size();
  uint64_t first = UINT64_MAX;  // sequence number; what came before is history
  for (const Tensor& t : entries) {
    if (is_tracked(t)) first = std::min(first, t.node()->sequence());
  }
  std::vector<const Node*> nodes, open{y.node().get()};
  while (!open.empty()) {
    const Node* node = open.back();
    open.pop_back();
    if (node == nullptr || !seen.insert(node).second) continue;
    ITO_CHECK(borders == 0 || node->sequence() > first, AutogradError,
              "a part of the tape uses a tensor with a history that is not among its inputs",
              kv("op", node->op().name));
    nodes.push_back(node);
    for (const Edge& edge : node->edges()) open.push_back(edge.node.get());
  }
  std::ranges::sort(nodes, {}, [](const Node* n) { return n->sequence(); });
  Tensors leaves;
  for (const Node* node : nodes) {
    for (const Edge& edge : node->edges()) {
      const Tensor leaf(edge.leaf);
      const bool known =
          std::ranges::any_of(leaves, [&](const Tensor& t) { return t.same_as(leaf); });
      if (leaf && !known) leaves.push_back(leaf);
    }
  }
  return leaves;
}

/// Computes the part again, from inputs that share the data of the first time.
Tensors segment_gradient(const GradCall& g, const void* attrs) {
  const auto& segment = *static_cast<const SegmentAttrs*>(attrs);
  const bool create_graph = grad_enabled();
  const GradScope recording;
  Tensors entries(g.inputs.begin(), g.inputs.begin() + static_cast<std::ptrdiff_t>(segment.inputs));
  for (size_t i = 0; i < segment.inputs; ++i) {
    if (!g.needs[i]) continue;
    entries[i] =
        create_graph ? kAlgebra.identity(entries[i]) : entries[i].detach().set_requires_grad();
  }
  const Tensor y = segment.part(entries);
  Tensors wrt;
  for (size_t i = 0; i < g.inputs.size(); ++i) {
    if (g.needs[i]) wrt.push_back(i < segment.inputs ? entries[i] : g.inputs[i]);
  }
  const Tensors found = grad(
      {y}, wrt, {.seeds = {g.grad_out[0]}, .create_graph = create_graph, .allow_unused = true});
  Tensors result(g.inputs.size());
  for (size_t i = 0, j = 0; i < result.size(); ++i) {
    if (g.needs[i]) result[i] = found[j++];
  }
  return result;
}

/// An op of the tape alone: it is in no table, since its node is made by hand.
const OpInfo& segment_op() {
  static const OpInfo info = [] {
    OpInfo op;
    op.name = "segment";
    op.algebra = &kAlgebra;
    op.saved = [](const void*) { return SavedMasks{}; };
    op.gradient = &segment_gradient;
    op.cost = [](const Specs&, const Specs&, const void*) { return Cost{}; };
    return op;
  }();
  return info;
}

}  // namespace

Tensor segment(Activations activations, const Tensors& inputs, Part part) {
  if (!grad_enabled()) return part(inputs);
  const Tensors entries = entries_of(inputs);
  const Tensor y = part(entries);
  if (activations == Activations::keep || !is_tracked(y)) return y;
  Tensors all = inputs;
  const Tensors leaves = leaves_between(entries, y);
  all.insert(all.end(), leaves.begin(), leaves.end());
  const Tensor result = y.detach();
  const AnyAttrs attrs =
      std::make_shared<const SegmentAttrs>(SegmentAttrs{std::move(part), inputs.size()});
  result.impl()->node = std::make_shared<Node>(segment_op(), all, Tensors{result}, attrs);
  result.impl()->requires_grad = true;
  return result;
}

}  // namespace ito
