// Tensor: a shared handle to a dense, row-major array with an optional place on the tape.
//
// Every tensor is contiguous. Broadcasting happens inside the element-wise ops, and permute or
// slice copy: kernels never see strides, and no copy hides behind a view. Arithmetic is in
// kernels/.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/core/check.h"
#include "engine/core/device.h"
#include "engine/core/dtype.h"
#include "engine/core/shape.h"
#include "engine/core/storage.h"

namespace ito {

class Node;
class Tensor;
using Tensors = std::vector<Tensor>;

class Tensor {
 public:
  Tensor() = default;  ///< undefined: stands for an absent optional input

  static Tensor empty(const Shape& shape, DType dtype, Device device = kCpu);  ///< uninitialised
  static Tensor zeros(const Shape& shape, DType dtype, Device device = kCpu);
  static Tensor full(const Shape& shape, double value, DType dtype, Device device = kCpu);
  /// Copies `values` (one per element, row-major) to a new tensor. Throws ShapeError on a wrong
  /// count.
  template <class T>
  static Tensor from(std::span<const T> values, const Shape& shape, Device device = kCpu);
  template <class T>
  static Tensor from(const std::vector<T>& values, const Shape& shape, Device device = kCpu) {
    return from(std::span<const T>(values), shape, device);
  }
  /// A view of `storage` from `byte_offset` on. Throws ShapeError if it does not fit.
  static Tensor view(std::shared_ptr<Storage> storage, size_t byte_offset, const Shape& shape,
                     DType dtype);

  explicit operator bool() const { return impl_ != nullptr; }
  const Shape& shape() const;
  int64_t size(int axis) const { return shape()[axis]; }
  int rank() const { return shape().rank(); }
  int64_t numel() const { return shape().numel(); }
  DType dtype() const;
  Device device() const;
  size_t bytes() const { return static_cast<size_t>(numel()) * size_of(dtype()); }

  void* raw() const;  ///< first element; null for a tensor without elements
  /// First element as T. Throws DTypeError if T is not the dtype.
  template <class T>
  T* data() const;
  template <class T>
  std::span<T> span() const {
    return {data<T>(), static_cast<size_t>(numel())};
  }
  /// The elements, copied to the host. Throws DTypeError if T is not the dtype.
  template <class T>
  std::vector<T> to_vector() const;
  /// The only element, as a double. Throws ShapeError if there is not exactly one.
  double item() const;

  void fill(double value) const;   ///< overwrites every element; bumps version
  Tensor to(Device target) const;  ///< a copy there (itself if it is there); leaves the tape
  Tensor clone() const;            ///< a copy of the data, off the tape
  Tensor detach() const;           ///< the same data, off the tape
  /// The same data under another shape, off the tape. Throws ShapeError if the counts differ.
  Tensor alias(const Shape& shape) const;
  void copy_from(
      const Tensor& source) const;  ///< overwrites the data (same shape, dtype); bumps version

  const std::shared_ptr<Storage>& storage() const;
  size_t byte_offset() const;

  // The tape.
  bool requires_grad() const;  ///< a leaf that asked for it, or the output of a recorded op
  Tensor& set_requires_grad(bool value = true);  ///< leaves of floating dtype only
  Tensor grad() const;  ///< gradient accumulated by backward(), or undefined
  void set_grad(Tensor grad) const;
  const std::shared_ptr<Node>& node() const;  ///< null for leaves
  int slot() const;                           ///< which output of node() this is
  bool same_as(const Tensor& other) const { return impl_ == other.impl_; }

  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) noexcept = default;
  Tensor& operator=(const Tensor&) & = default;
  Tensor& operator=(Tensor&&) & noexcept = default;
  Tensor& operator=(const Tensor&) && = delete;  // f(x) = y must not compile
  Tensor& operator=(Tensor&&) && = delete;
  ~Tensor() = default;

  struct Impl;
  const std::shared_ptr<Impl>& impl() const { return impl_; }
  explicit Tensor(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

 private:
  const Impl& checked() const;
  void check_dtype(DType wanted) const;

  std::shared_ptr<Impl> impl_;
};

struct Tensor::Impl {
  std::shared_ptr<Storage> storage;
  size_t byte_offset = 0;
  Shape shape;
  DType dtype = DType::f32;
  bool requires_grad = false;
  std::shared_ptr<Node> node;
  int slot = 0;
  Tensor grad;
};

template <class T>
T* Tensor::data() const {
  check_dtype(dtype_of<T>());
  return static_cast<T*>(raw());
}

/// "f32 cpu [2,3]", or "none" for an undefined tensor.
std::string describe(const Tensor& tensor);

}  // namespace ito
