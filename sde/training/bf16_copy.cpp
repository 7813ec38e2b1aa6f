#include "sde/training/bf16_copy.h"

#include "engine/autograd/autograd.h"
#include "kernels/accumulate/op.h"
#include "kernels/cast/op.h"

namespace ito::sde {
namespace {

std::unique_ptr<nn::Network> in_bf16(const nn::Network& network) {
  std::unique_ptr<nn::Network> copy = network.clone();
  nn::convert(*copy, DType::bf16);
  return copy;
}

}  // namespace

Bf16Copy::Bf16Copy(const nn::Network& network)
    : network_(in_bf16(network)),
      arena_(*network_),
      weights_(arena_.allocate()),
      gradients_(arena_.allocate()) {
  arena_.bind(*network_, weights_);
  arena_.track(*network_, gradients_);
}

void Bf16Copy::load(const Tensor& weights) {
  const NoGradScope off;
  weights_.copy_from(ops::cast(weights, DType::bf16));
}

void Bf16Copy::drain(const Tensor& gradients) {
  const NoGradScope off;
  ops::accumulate(gradients, ops::cast(gradients_, DType::f32));
  gradients_.fill(0);
}

}  // namespace ito::sde
