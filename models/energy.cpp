#include "models/energy.h"

#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "kernels/reduce/op.h"
#include "kernels/reshape/op.h"
#include "kernels/unary/op.h"

namespace ito::nn {

Tensor EnergyNetwork::energy(const Tensor& x, const Tensor& labels,
                             const ForwardOptions& options) const {
  const Tensor rest = x - inner_->forward(x, labels, options);
  return 0.5 * ops::sum(ops::flatten(ops::square(rest)), {1});
}

Tensor EnergyNetwork::forward(const Tensor& x, const Tensor& labels,
                              const ForwardOptions& options) const {
  const bool create_graph = grad_enabled();
  const GradScope recording;
  Tensor at = x;
  if (!create_graph || !at.requires_grad()) {
    at = x.detach();
    at.set_requires_grad();
  }
  const Tensor total = ops::sum(energy(at, labels, options));
  const Tensor slope = grad(total, {at}, {.create_graph = create_graph})[0];
  return output_ == EnergyOutput::noise ? slope : -slope;
}

}  // namespace ito::nn
