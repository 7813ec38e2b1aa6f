#include "engine/autograd/node.h"

#include <atomic>

#include "engine/autograd/autograd.h"
#include "engine/autograd/call.h"
#include "engine/cuda/stream.h"

namespace ito {
namespace {

std::atomic<uint64_t> next_sequence{1};

Edge edge_to(const Tensor& input) {
  if (!input || !input.requires_grad()) return {};
  if (input.node()) return {input.node(), input.slot(), nullptr};
  return {nullptr, 0, input.impl()};
}

/// Nodes whose last owner died on this thread and that wait for destruction. Destroying them one
/// after another keeps the depth of the call stack constant for graphs of any length.
thread_local std::vector<std::shared_ptr<Node>>* graveyard = nullptr;

}  // namespace

Spec spec_of(const Tensor& tensor) {
  if (!tensor) return {.shape = Shape{0}, .dtype = DType::f32, .device = kCpu, .present = false};
  return {tensor.shape(), tensor.dtype(), tensor.device(), true};
}

CUstream_st* Launch::stream() const { return cuda::current_stream(device_); }
bool Launch::capturing() const { return cuda::is_capturing(device_); }

void* Launch::scratch_bytes(size_t bytes) {
  scratch_.push_back(Storage::allocate(bytes, device_));
  return scratch_.back()->data();
}

Node::Node(const OpInfo& op, const Tensors& inputs, const Tensors& outputs, AnyAttrs attrs)
    : op_(op), attrs_(std::move(attrs)), sequence_(next_sequence.fetch_add(1)) {
  const SavedMasks masks = op.saved(attrs_.get());
  const auto version = [](const Tensor& t) { return t ? t.storage()->version() : 0; };
  for (size_t i = 0; i < inputs.size(); ++i) {
    edges_.push_back(edge_to(inputs[i]));
    input_specs_.push_back(spec_of(inputs[i]));
    const bool saved = SavedMasks::has(masks.inputs, i);
    saved_inputs_.push_back(saved ? Saved{inputs[i], version(inputs[i])} : Saved{});
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    output_specs_.push_back(spec_of(outputs[i]));
    const bool saved = SavedMasks::has(masks.outputs, i);
    saved_outputs_.push_back(saved ? Saved{outputs[i].detach(), version(outputs[i])} : Saved{});
  }
}

Node::~Node() {
  saved_outputs_.clear();
  std::vector<std::shared_ptr<Node>> waiting;
  const bool outermost = graveyard == nullptr;
  if (outermost) graveyard = &waiting;
  for (Edge& edge : edges_) {
    if (edge.node) graveyard->push_back(std::move(edge.node));
  }
  for (Saved& saved : saved_inputs_) {
    // A saved input is a second way to its node.
    if (saved.tensor && saved.tensor.node()) graveyard->push_back(saved.tensor.node());
  }
  saved_inputs_.clear();
  if (!outermost) return;
  while (!waiting.empty()) {
    const std::shared_ptr<Node> node = std::move(waiting.back());
    waiting.pop_back();
  }
  graveyard = nullptr;
}

void Node::release() {
  saved_inputs_.clear();
  saved_outputs_.clear();
  released_ = true;
}

Tensors Node::saved() const {
  Tensors tensors;
  for (const auto* list : {&saved_inputs_, &saved_outputs_}) {
    for (const Saved& s : *list) {
      if (s.tensor) tensors.push_back(s.tensor);
    }
  }
  return tensors;
}

Tensors Node::unpack(const std::vector<Saved>& saved, const char* what) const {
  Tensors tensors;
  for (size_t i = 0; i < saved.size(); ++i) {
    const Saved& s = saved[i];
    ITO_CHECK(!s.tensor || s.tensor.storage()->version() == s.version, AutogradError,
              "a tensor saved for the gradient was modified in place", kv("op", op_.name),
              kv(what, i));
    tensors.push_back(s.tensor);
  }
  return tensors;
}

Tensors Node::unpack_outputs() {
  Tensors outputs = unpack(saved_outputs_, "output");
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i]) continue;
    outputs[i] = outputs[i].detach();
    outputs[i].impl()->node = shared_from_this();
    outputs[i].impl()->slot = static_cast<int>(i);
    outputs[i].impl()->requires_grad = true;
  }
  return outputs;
}

Tensors Node::backward(const Tensors& grad_out, bool create_graph) {
  ITO_CHECK(!released_, AutogradError,
            "the graph was released by an earlier pass; use keep_graph to go through it again",
            kv("op", op_.name));
  std::vector<bool> needs;
  for (const Edge& edge : edges_) needs.push_back(edge.needed());
  const Tensors inputs = unpack(saved_inputs_, "input");
  try {
    if (op_.kind == OpKind::primitive) {
      const Tensors outputs = unpack_outputs();
      return op_.gradient({grad_out, inputs, outputs, input_specs_, needs}, attrs_.get());
    }
    if (create_graph) return backward_through_reference(grad_out, inputs, needs);
    return detail::run_backward(op_, grad_out, inputs, unpack(saved_outputs_, "output"), needs,
                                attrs_.get());
  } catch (const Error&) {
    detail::rethrow_with_op(op_, inputs);
  }
}

/// Recomputes the composition from the saved inputs, which are still connected to their history,
/// and differentiates that: the result can be differentiated again. Each input enters through a
/// node of its own, so that the inner pass stops there even where one input was computed from
/// another.
Tensors Node::backward_through_reference(const Tensors& grad_out, const Tensors& inputs,
                                         const std::vector<bool>& needs) const {
  const GradScope recording;
  Tensors entries = inputs, wrt, ys, seeds;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!needs[i]) continue;
    entries[i] = op_.algebra->identity(inputs[i]);
    wrt.push_back(entries[i]);
  }
  const Tensors outputs = op_.reference(entries, attrs_.get());
  for (size_t i = 0; i < grad_out.size() && i < outputs.size(); ++i) {
    if (!grad_out[i] || !outputs[i].requires_grad()) continue;
    ys.push_back(outputs[i]);
    seeds.push_back(grad_out[i]);
  }
  const Tensors found = grad(ys, wrt, {.seeds = seeds, .create_graph = true, .allow_unused = true});
  Tensors result(inputs.size());
  for (size_t i = 0, j = 0; i < inputs.size(); ++i) {
    if (needs[i]) result[i] = found[j++];
  }
  return result;
}

}  // namespace ito
