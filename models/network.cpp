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

void convert(Network& network, DType dtype) {
  const NoGradScope off;
  for (const Parameter& p : parameters_of(network)) {
    const bool keep = dtype == DType::bf16 && p.training == Training::frozen;
    *p.value = ops::cast(p.value->detach(), keep ? DType::f32 : dtype);
  }
}

void move_to(Network& network, Device device) {
  for (const Parameter& p : parameters_of(network)) *p.value = p.value->detach().to(device);
}

}  // namespace ito::nn
