#include "engine/autograd/autograd.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "engine/autograd/node.h"

namespace ito {
namespace {

thread_local bool recording = true;

/// One pass over the tape. Nodes run in falling order of their sequence numbers: a node's inputs
/// were recorded before it, so every gradient has arrived when its turn comes.
class Pass {
 public:
  explicit Pass(const GradOptions& options) : options_(options) {}

  /// Asks for the gradient at a tensor; find it under the same index in results().
  void request(const Tensor& t) {
    const size_t index = results_.size();
    results_.emplace_back();
    taken_.push_back(false);
    if (t.node()) {
      captures_[t.node().get()].push_back({t.slot(), index});
    } else {
      leaf_captures_[t.impl().get()].push_back(index);
    }
  }
  /// Gradients of all leaves are added to their grad().
  void accumulate_into_leaves() { into_leaves_ = true; }

  void seed(const Tensor& y, const Tensor& gradient) {
    Edge edge{y.node(), y.slot(), y.node() ? nullptr : y.impl()};
    if (edge.node) roots_.push_back(edge.node);
    seeds_.push_back({std::move(edge), gradient});
  }

  void run() {
    collect();
    for (auto& [edge, gradient] : seeds_) deliver(edge, gradient, nullptr);
    for (const auto& node : order_) {
      step(node);
      if (options_.take) hand_over(node->edges());
    }
    for (size_t i = 0; options_.take && i < results_.size(); ++i) {
      if (!taken_[i]) hand_over(i);
    }
    if (into_leaves_) {
      for (auto& [leaf, gradient] : leaf_sums_) store(Tensor(leaf), gradient, gradient_algebra_);
    }
  }

  const Tensors& results() const { return results_; }

 private:
  struct Capture {
    int slot;
    size_t index;
  };

  /// All nodes below the roots that lead to a requested tensor, by falling sequence.
  void collect() {
    std::unordered_set<Node*> seen;
    std::vector<std::shared_ptr<Node>> stack = roots_, all;
    while (!stack.empty()) {
      const std::shared_ptr<Node> node = std::move(stack.back());
      stack.pop_back();
      if (!seen.insert(node.get()).second) continue;
      all.push_back(node);
      for (const Edge& edge : node->edges()) {
        if (edge.node) stack.push_back(edge.node);
      }
    }
    std::ranges::sort(all, {}, [](const auto& n) { return n->sequence(); });
    for (const auto& node : all) {
      const bool useful =
          std::ranges::any_of(node->edges(), [&](const Edge& e) { return leads(e); });
      if (useful) useful_.insert(node.get());
    }
    std::ranges::reverse(all);
    for (auto& node : all) {
      if (useful_.contains(node.get()) || captures_.contains(node.get())) order_.push_back(node);
    }
    if (!options_.take) return;
    for (const auto& node : order_) {
      for (const Edge& edge : node->edges()) {
        if (edge.leaf) ++leaf_uses_[edge.leaf.get()];
      }
    }
  }

  /// The gradients of the leaves that no later node uses.
  void hand_over(const std::vector<Edge>& edges) {
    for (const Edge& edge : edges) {
      if (!edge.leaf || --leaf_uses_[edge.leaf.get()] > 0) continue;
      const auto found = leaf_captures_.find(edge.leaf.get());
      if (found == leaf_captures_.end()) continue;
      for (const size_t index : found->second) hand_over(index);
    }
  }
  void hand_over(size_t index) {
    options_.take(index, std::exchange(results_[index], {}));
    taken_[index] = true;
  }

  bool leads(const Edge& edge) const {
    if (edge.leaf) return into_leaves_ || leaf_captures_.contains(edge.leaf.get());
    return edge.node && (useful_.contains(edge.node.get()) || captures_.contains(edge.node.get()));
  }

  void step(const std::shared_ptr<Node>& node) {
    const auto pending = pending_.find(node.get());
    if (pending == pending_.end()) return;  // nothing flows here
    Tensors grad_out = std::move(pending->second);
    pending_.erase(pending);
    if (const auto it = captures_.find(node.get()); it != captures_.end()) {
      for (const Capture& c : it->second) results_[c.index] = grad_out[static_cast<size_t>(c.slot)];
    }
    if (!useful_.contains(node.get())) return;
    const Tensors grads = node->backward(grad_out, options_.create_graph);
    for (size_t i = 0; i < node->edges().size(); ++i) {
      const Edge& edge = node->edges()[i];
      if (i < grads.size() && grads[i] && leads(edge)) deliver(edge, grads[i], &node->op());
    }
    if (!options_.keep_graph && !options_.create_graph) node->release();
  }

  void deliver(const Edge& edge, const Tensor& gradient, const OpInfo* from) {
    if (from != nullptr) gradient_algebra_ = from->algebra;
    if (edge.node) {
      if (gradient_algebra_ == nullptr) gradient_algebra_ = edge.node->op().algebra;
      const Specs& specs = edge.node->output_specs();
      Tensors& slots = pending_[edge.node.get()];
      slots.resize(specs.size());
      const auto slot = static_cast<size_t>(edge.slot);
      slots[slot] = sum(slots[slot], reduced(gradient, specs[slot].shape));
      return;
    }
    const Tensor leaf(edge.leaf);
    const Tensor value = reduced(gradient, leaf.shape());
    if (const auto it = leaf_captures_.find(edge.leaf.get()); it != leaf_captures_.end()) {
      for (size_t index : it->second) results_[index] = sum(results_[index], value);
    }
    if (into_leaves_) {
      Tensor& total = leaf_sums_[edge.leaf];
      total = sum(total, value);
    }
  }

  Tensor reduced(const Tensor& gradient, const Shape& shape) const {
    return gradient.shape() == shape ? gradient : gradient_algebra_->sum_to(gradient, shape);
  }
  Tensor sum(const Tensor& a, const Tensor& b) const {
    return a ? gradient_algebra_->add(a, b) : b;
  }

  static void store(const Tensor& leaf, const Tensor& gradient, const Algebra* algebra) {
    if (leaf.grad()) {
      algebra->accumulate(leaf.grad(), gradient);
    } else {
      // One gradient may serve several leaves (y = a + b); the kept one must not be shared.
      leaf.set_grad(gradient.storage().use_count() > 1 ? gradient.clone() : gradient);
    }
  }

  const GradOptions& options_;
  bool into_leaves_ = false;
  std::vector<std::shared_ptr<Node>> roots_, order_;
  std::vector<std::pair<Edge, Tensor>> seeds_;
  std::unordered_set<Node*> useful_;
  std::unordered_map<Node*, std::vector<Capture>> captures_;
  std::unordered_map<Tensor::Impl*, std::vector<size_t>> leaf_captures_;
  std::unordered_map<Tensor::Impl*, int> leaf_uses_;  // edges of nodes that are still to come
  std::unordered_map<Node*, Tensors> pending_;
  std::map<std::shared_ptr<Tensor::Impl>, Tensor> leaf_sums_;
  Tensors results_;
  std::vector<bool> taken_;  // of results_: by options_.take
  const Algebra* gradient_algebra_ = nullptr;
};

Tensor seed_for(const Tensor& y, const Tensor& given) {
  ITO_CHECK(y.requires_grad(), AutogradError, "the differentiated tensor is not on the tape",
            kv("y", describe(y)));
  if (given) {
    ITO_CHECK(given.shape() == y.shape() && given.dtype() == y.dtype(), ShapeError,
              "a seed must have the shape and dtype of its tensor", kv("y", describe(y)),
              kv("seed", describe(given)));
    return given;
  }
  ITO_CHECK(y.numel() == 1, AutogradError, "a tensor with several elements needs a seed",
            kv("y", describe(y)));
  return Tensor::full(y.shape(), 1.0, y.dtype(), y.device());
}

}  // namespace

bool grad_enabled() { return recording; }

NoGradScope::NoGradScope() : before_(recording) { recording = false; }
NoGradScope::~NoGradScope() { recording = before_; }
GradScope::GradScope() : before_(recording) { recording = true; }
GradScope::~GradScope() { recording = before_; }

Tensors grad(const Tensors& ys, const Tensors& wrt, const GradOptions& options) {
  ITO_CHECK(options.seeds.empty() || options.seeds.size() == ys.size(), ValueError,
            "one seed per differentiated tensor", kv("ys", ys.size()),
            kv("seeds", options.seeds.size()));
  Pass pass(options);
  for (const Tensor& w : wrt) {
    ITO_CHECK(w.requires_grad(), AutogradError, "gradient asked for a tensor off the tape",
              kv("wrt", describe(w)));
    pass.request(w);
  }
  for (size_t i = 0; i < ys.size(); ++i) {
    pass.seed(ys[i], seed_for(ys[i], options.seeds.empty() ? Tensor() : options.seeds[i]));
  }
  if (options.create_graph) {
    const GradScope on;
    pass.run();
  } else {
    const NoGradScope off;
    pass.run();
  }
  if (options.take) return {};
  for (size_t i = 0; i < wrt.size(); ++i) {
    ITO_CHECK(options.allow_unused || pass.results()[i], AutogradError,
              "no path leads from the differentiated tensor to this input", kv("index", i),
              kv("wrt", describe(wrt[i])));
  }
  return pass.results();
}

Tensors grad(const Tensor& y, const Tensors& wrt, const GradOptions& options) {
  return grad(Tensors{y}, wrt, options);
}

void backward(const Tensor& loss, const Tensor& seed) {
  const GradOptions options;
  Pass pass(options);
  pass.accumulate_into_leaves();
  pass.seed(loss, seed_for(loss, seed));
  const NoGradScope off;
  pass.run();
}

}  // namespace ito
