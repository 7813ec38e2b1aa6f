#include "engine/core/tensor.h"

#include <algorithm>
#include <cstring>

#include "engine/cuda/transfer.h"

namespace ito {
namespace {

void check_has_data(const Tensor& t) {
  ITO_CHECK(t.device() != kMeta, DeviceError, "a tensor on the device meta has no data",
            kv("shape", t.shape()));
}

/// Copies whole tensors of equal size, either of which may be on a device. Reading a device waits
/// for it.
void move_data(const Tensor& to, const Tensor& from) {
  const Device target = to.device(), source = from.device();
  if (target == kMeta) return;
  check_has_data(from);
  if (is_host_memory(target) && is_host_memory(source)) {
    std::memmove(to.raw(), from.raw(), to.bytes());
  } else if (is_host_memory(source)) {
    cuda::upload(to.raw(), from.raw(), to.bytes(), target);
  } else if (is_host_memory(target)) {
    cuda::download(to.raw(), from.raw(), to.bytes(), source);
  } else {
    ITO_CHECK(target == source, DeviceError, "no copy from one device to another",
              kv("from", source), kv("to", target));
    cuda::copy_on_device(to.raw(), from.raw(), to.bytes(), target);
  }
}

}  // namespace

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  auto impl = std::make_shared<Impl>();
  impl->storage = Storage::allocate(static_cast<size_t>(shape.numel()) * size_of(dtype), device);
  impl->shape = shape;
  impl->dtype = dtype;
  return Tensor(std::move(impl));
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  return full(shape, 0.0, dtype, device);
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype, Device device) {
  const Tensor result = empty(shape, dtype, device);
  result.fill(value);
  return result;
}

void Tensor::fill(double value) const {
  dispatch_any(dtype(), [&]<class T>() {
    const auto converted = static_cast<T>(value);
    if (is_host_memory(device())) {
      std::ranges::fill(span<T>(), converted);
    } else if (numel() > 0) {
      cuda::fill(raw(), &converted, sizeof(T), bytes() / sizeof(T), device());
    }
  });
  storage()->bump_version();
}

template <class T>
Tensor Tensor::from(std::span<const T> values, const Shape& shape, Device device) {
  ITO_CHECK(static_cast<int64_t>(values.size()) == shape.numel(), ShapeError,
            "number of values differs from the shape", kv("values", values.size()),
            kv("shape", shape));
  const Tensor host = empty(shape, dtype_of<T>());
  std::ranges::copy(values, host.span<T>().begin());
  return host.to(device);
}

template Tensor Tensor::from(std::span<const float>, const Shape&, Device);
template Tensor Tensor::from(std::span<const double>, const Shape&, Device);
template Tensor Tensor::from(std::span<const BFloat16>, const Shape&, Device);
template Tensor Tensor::from(std::span<const int32_t>, const Shape&, Device);
template Tensor Tensor::from(std::span<const int64_t>, const Shape&, Device);
template Tensor Tensor::from(std::span<const uint8_t>, const Shape&, Device);

Tensor Tensor::view(std::shared_ptr<Storage> storage, size_t byte_offset, const Shape& shape,
                    DType dtype) {
  const size_t need = static_cast<size_t>(shape.numel()) * size_of(dtype);
  ITO_CHECK(byte_offset <= storage->bytes() && need <= storage->bytes() - byte_offset, ShapeError,
            "view does not fit in its storage", kv("offset", byte_offset), kv("shape", shape),
            kv("storage bytes", storage->bytes()));
  auto impl = std::make_shared<Impl>();
  impl->storage = std::move(storage);
  impl->byte_offset = byte_offset;
  impl->shape = shape;
  impl->dtype = dtype;
  return Tensor(std::move(impl));
}

const Tensor::Impl& Tensor::checked() const {
  ITO_CHECK(impl_ != nullptr, ValueError, "undefined tensor used");
  return *impl_;
}

void Tensor::check_dtype(DType wanted) const {
  ITO_CHECK(dtype() == wanted, DTypeError, "tensor has another dtype", kv("has", dtype()),
            kv("wanted", wanted));
}

const Shape& Tensor::shape() const { return checked().shape; }
DType Tensor::dtype() const { return checked().dtype; }
Device Tensor::device() const { return checked().storage->device(); }
const std::shared_ptr<Storage>& Tensor::storage() const { return checked().storage; }
size_t Tensor::byte_offset() const { return checked().byte_offset; }

void* Tensor::raw() const {
  const Impl& t = checked();
  return t.shape.numel() == 0 ? nullptr : static_cast<char*>(t.storage->data()) + t.byte_offset;
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  check_dtype(dtype_of<T>());
  const Tensor host = is_host_memory(device()) ? *this : to(kCpu);
  const auto values = host.span<T>();
  return {values.begin(), values.end()};
}

template std::vector<float> Tensor::to_vector() const;
template std::vector<double> Tensor::to_vector() const;
template std::vector<BFloat16> Tensor::to_vector() const;
template std::vector<int32_t> Tensor::to_vector() const;
template std::vector<int64_t> Tensor::to_vector() const;
template std::vector<uint8_t> Tensor::to_vector() const;

double Tensor::item() const {
  ITO_CHECK(numel() == 1, ShapeError, "item() needs exactly one element", kv("shape", shape()));
  const Tensor host = is_host_memory(device()) ? *this : to(kCpu);
  return dispatch_any(dtype(), [&]<class T>() { return static_cast<double>(*host.data<T>()); });
}

Tensor Tensor::to(Device target) const {
  if (target == device()) return *this;
  ITO_CHECK(is_available(target), DeviceError, "device is not available", kv("device", target));
  check_has_data(*this);
  Tensor copy = empty(shape(), dtype(), target);
  copy.copy_from(*this);
  return copy;
}

Tensor Tensor::clone() const {
  Tensor copy = empty(shape(), dtype(), device());
  copy.copy_from(*this);
  return copy;
}

Tensor Tensor::detach() const { return alias(shape()); }

Tensor Tensor::alias(const Shape& target) const {
  ITO_CHECK(target.numel() == numel(), ShapeError, "number of elements changes",
            kv("from", shape()), kv("to", target));
  return view(storage(), byte_offset(), target, dtype());
}

void Tensor::copy_from(const Tensor& source) const {
  ITO_CHECK(source.shape() == shape(), ShapeError, "copy between different shapes",
            kv("from", source.shape()), kv("to", shape()));
  check_dtype(source.dtype());
  if (numel() > 0) move_data(*this, source);
  storage()->bump_version();
}

bool Tensor::requires_grad() const { return checked().requires_grad; }

Tensor& Tensor::set_requires_grad(bool value) {
  ITO_CHECK(checked().node == nullptr, AutogradError, "requires_grad can be set on leaves only");
  ITO_CHECK(is_floating(dtype()), DTypeError, "only floating tensors have gradients",
            kv("dtype", dtype()));
  impl_->requires_grad = value;
  return *this;
}

Tensor Tensor::grad() const { return checked().grad; }

void Tensor::set_grad(Tensor grad) const {
  ITO_CHECK(!grad || (grad.shape() == shape() && grad.dtype() == dtype()), ShapeError,
            "gradient must have the tensor's shape and dtype", kv("tensor", describe(*this)),
            kv("grad", describe(grad)));
  checked();
  impl_->grad = std::move(grad);
}

const std::shared_ptr<Node>& Tensor::node() const { return checked().node; }
int Tensor::slot() const { return checked().slot; }

std::string describe(const Tensor& tensor) {
  if (!tensor) return "none";
  std::string text(name_of(tensor.dtype()));
  return text + " " + to_string(tensor.device()) + " " + to_string(tensor.shape());
}

}  // namespace ito
