#include "sde/training/arena.h"

#include "kernels/accumulate/op.h"

namespace ito::sde {
namespace {

std::vector<nn::Parameter> trained_parameters(nn::Network& network) {
  std::vector<nn::Parameter> list;
  for (nn::Parameter& p : nn::parameters_of(network)) {
    if (p.training == nn::Training::trained) list.push_back(std::move(p));
  }
  return list;
}

}  // namespace

Arena::Arena(nn::Network& network) {
  constexpr int64_t kAlign = 16;
  for (const nn::Parameter& p : trained_parameters(network)) {
    const DType dtype = p.value->dtype();
    if (entries_.empty()) dtype_ = dtype;
    ITO_CHECK(dtype == dtype_ && is_floating(dtype), DTypeError,
              "an arena needs parameters of one floating dtype", kv(p.name, dtype));
    device_ = p.value->device();
    entries_.push_back({p.name, p.value->shape(), size_});
    size_ += (p.value->numel() + kAlign - 1) / kAlign * kAlign;
  }
}

Tensor Arena::allocate() const { return Tensor::zeros({size_}, dtype_, device_); }

Tensor Arena::view(const Tensor& array, size_t i) const {
  const Entry& e = entries_[i];
  const size_t offset = array.byte_offset() + static_cast<size_t>(e.offset) * size_of(dtype_);
  return Tensor::view(array.storage(), offset, e.shape, dtype_);
}

void Arena::bind(nn::Network& network, const Tensor& array) const {
  const auto parameters = trained_parameters(network);
  for (size_t i = 0; i < parameters.size(); ++i) {
    Tensor place = view(array, i);
    place.copy_from(*parameters[i].value);
    *parameters[i].value = std::move(place);
  }
}

Tensors Arena::track(nn::Network& network) {
  Tensors leaves;
  for (const nn::Parameter& p : trained_parameters(network)) {
    leaves.push_back(p.value->set_requires_grad());
  }
  return leaves;
}

void Arena::collect(size_t i, const Tensor& gradient, const Tensor& array, Sum sum) const {
  const Tensor place = view(array, i);
  if (sum == Sum::goes_on) {
    if (gradient) ops::accumulate(place, gradient);
  } else if (gradient) {
    ops::assign(place, gradient);
  } else {
    place.fill(0);
  }
}

}  // namespace ito::sde
