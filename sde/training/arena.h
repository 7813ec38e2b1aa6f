// All trained parameters of a network in one flat array, so that clipping, Adam and the average of
// the weights are one pass.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "models/network.h"

namespace ito::sde {

/// Layout of a network's trained parameters in a flat array; each starts at a multiple of 16
/// elements, and the gaps stay zero. Arrays are of the dtype of the parameters: f32, f64, or bf16
/// for the copy that mixed precision runs on.
class Arena {
 public:
  /// Throws DTypeError if the parameters are of several dtypes or of another one.
  explicit Arena(nn::Network& network);

  int64_t size() const { return size_; }  ///< elements, gaps included
  /// A zeroed array of this layout, on the parameters' device.
  Tensor allocate() const;
  /// The part of `array` that belongs to parameter i, in its shape; shares the memory.
  Tensor view(const Tensor& array, size_t i) const;
  size_t count() const { return entries_.size(); }
  const std::string& name(size_t i) const { return entries_[i].name; }

  /// Copies the network's trained parameters into `array` and rebinds them there.
  void bind(nn::Network& network, const Tensor& array) const;
  /// Makes a network's trained parameters leaves of the tape, and returns them in order.
  static Tensors track(nn::Network& network);
  enum class Sum { begins, goes_on };
  /// Puts the gradient of parameter i in a pass, of any floating dtype, into its place in `array`.
  /// The first one of a sum overwrites what is there, later ones are added. Where the pass gives
  /// none, `gradient` is undefined and counts as zero.
  void collect(size_t i, const Tensor& gradient, const Tensor& array, Sum sum) const;

 private:
  struct Entry {
    std::string name;
    Shape shape;
    int64_t offset;
  };
  std::vector<Entry> entries_;
  int64_t size_ = 0;
  Device device_;             // of the parameters
  DType dtype_ = DType::f32;  // of the parameters
};

}  // namespace ito::sde
