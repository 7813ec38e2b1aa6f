// Node: one recorded op on the tape. A concrete class; the op's behaviour is in its OpInfo.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/autograd/op_info.h"

namespace ito {

/// Where a gradient goes: an output slot of another node, or a leaf tensor; neither if nobody asks.
/// Several edges into one slot are summed by the engine.
struct Edge {
  std::shared_ptr<Node> node;
  int slot = 0;
  std::shared_ptr<Tensor::Impl> leaf;
  bool needed() const { return node || leaf; }
};

class Node : public std::enable_shared_from_this<Node> {
 public:
  /// Records `op`; saves what it declares. Outputs are attached by the caller.
  Node(const OpInfo& op, const Tensors& inputs, const Tensors& outputs, AnyAttrs attrs);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const OpInfo& op() const { return op_; }
  uint64_t sequence() const { return sequence_; }  ///< rises with time: inputs come before outputs
  const std::vector<Edge>& edges() const { return edges_; }
  const Specs& output_specs() const { return output_specs_; }
  Cost cost() const { return op_.cost(input_specs_, output_specs_, attrs_.get()); }
  Tensors saved() const;  ///< what it keeps for the gradient

  /// Gradients with respect to the inputs that need one.
  Tensors backward(const Tensors& grad_out, bool create_graph);
  /// Drops the saved tensors; a later backward throws.
  void release();

 private:
  struct Saved {
    Tensor tensor;
    uint32_t version = 0;
  };
  Tensors unpack(const std::vector<Saved>& saved, const char* what) const;
  Tensors unpack_outputs();
  Tensors backward_through_reference(const Tensors& grad_out, const Tensors& inputs,
                                     const std::vector<bool>& needs) const;

  const OpInfo& op_;
  AnyAttrs attrs_;
  uint64_t sequence_;
  std::vector<Edge> edges_;
  Specs input_specs_;
  Specs output_specs_;
  std::vector<Saved> saved_inputs_;
  std::vector<Saved>
      saved_outputs_;  // data only: a handle to the output would keep this node alive
  bool released_ = false;
};

}  // namespace ito
