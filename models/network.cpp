#include "models/network.h"

#include "engine/autograd/autograd.h"
#include "kernels/cast/op.h"

namespace ito::nn {

std::vector<Parameter> parameters_of(Network& network) {
  ParameterList list;
  network.list(list);
  return list.parameters();
}

int64_t count_parameters(Network& network, Training training) {
  int64_t total = 0;
  for (const Parameter& p : parameters_of(network)) {
    if (p.training == training) total += p.value->numel();
  }
  return total;
}

namespace {

/// Binds a parameter to another tensor, which keeps packed weights if the one before did.
void rebind(const Parameter& p, const Tensor& value) {
  if (p.value->storage()->keeps_derived()) value.storage()->keep_derived();
  *p.value = value;
}

}  // namespace

void convert(Network& network, DType dtype) {
  const NoGradScope off;
  for (const Parameter& p : parameters_of(network)) {
    const bool keep = dtype == DType::bf16 && p.training == Training::frozen;
    rebind(p, ops::cast(p.value->detach(), keep ? DType::f32 : dtype));
  }
}

void move_to(Network& network, Device device) {
  for (const Parameter& p : parameters_of(network)) rebind(p, p.value->detach().to(device));
}

void keep_packed_weights(Network& network) {
  for (const Parameter& p : parameters_of(network)) p.value->storage()->keep_derived();
}

}  // namespace ito::nn
