#include "sde/training/bf16_copy.h"

#include "kernels/accumulate/op.h"

namespace ito::sde {
namespace {

std::unique_ptr<nn::Network> in_bf16(const nn::Network& network) {
  std::unique_ptr<nn::Network> copy = network.clone();
  nn::convert(*copy, DType::bf16);
  return copy;
}

}  // namespace

Bf16Copy::Bf16Copy(const nn::Network& network) : network_(in_bf16(network)) {
  const Arena arena(*network_);
  weights_ = arena.allocate();
  arena.bind(*network_, weights_);
}

void Bf16Copy::load(const Tensor& weights) { ops::assign(weights_, weights); }

}  // namespace ito::sde
