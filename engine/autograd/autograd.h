// Reverse-mode differentiation.
#pragma once

#include <functional>

#include "engine/core/tensor.h"

namespace ito {

struct GradOptions {
  Tensors seeds = {};  ///< d(objective)/dy, one per y; default: ones for a y with one element
  bool create_graph = false;  ///< record the gradient computation, so that it can be differentiated
  bool keep_graph = false;    ///< keep saved tensors for another pass (implied by create_graph)
  bool allow_unused = false;  ///< undefined gradients for unreached inputs instead of an error
  /// Takes the gradients instead of a result of grad(), once for each index of wrt: where
  /// wrt[index] is a leaf, as soon as nothing can be added to it, so that few are alive at a time.
  /// Undefined for unreached inputs.
  std::function<void(size_t index, const Tensor& gradient)> take = {};
};

/// d(sum of seeds * ys)/d(wrt), one per entry of wrt; none if options.take has taken them.
/// Throws AutogradError if a y is not on the tape, if an entry of wrt is not reached (unless
/// allowed), if the graph was released by an earlier pass, or if a saved tensor was modified in
/// place.
Tensors grad(const Tensors& ys, const Tensors& wrt, const GradOptions& options = {});
Tensors grad(const Tensor& y, const Tensors& wrt, const GradOptions& options = {});

/// Adds d(loss)/d(leaf) to grad() of every leaf that requires it; a leaf's existing gradient is
/// updated in place. `loss` has one element, unless a seed is given. Releases the graph.
void backward(const Tensor& loss, const Tensor& seed = {});

/// While one is alive on this thread, ops are not recorded.
class NoGradScope {
 public:
  NoGradScope();
  ~NoGradScope();
  NoGradScope(const NoGradScope&) = delete;
  NoGradScope& operator=(const NoGradScope&) = delete;

 private:
  bool before_;
};

/// Turns recording on again inside a NoGradScope.
class GradScope {
 public:
  GradScope();
  ~GradScope();
  GradScope(const GradScope&) = delete;
  GradScope& operator=(const GradScope&) = delete;

 private:
  bool before_;
};

bool grad_enabled();

}  // namespace ito
