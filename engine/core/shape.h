// Shape: the sizes of a tensor, at most six axes, with overflow-checked products.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace ito {

/// Sizes from the outermost to the innermost axis; images read [N, H, W, C].
/// Construction throws ShapeError for a negative size, more than kMaxRank axes, or when the product
/// of the sizes does not fit in 63 bits (less 3 bits, so that bytes of any dtype fit as well).
class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes);
  explicit Shape(std::span<const int64_t> sizes);

  int rank() const { return rank_; }
  int64_t numel() const { return numel_; }
  /// Size of an axis; negative axes count from the end. Throws ShapeError when out of range.
  int64_t operator[](int axis) const { return sizes_[static_cast<size_t>(normalize(axis))]; }
  std::span<const int64_t> sizes() const { return {sizes_.data(), static_cast<size_t>(rank_)}; }
  /// Maps -rank..rank-1 to 0..rank-1. Throws ShapeError when out of range.
  int normalize(int axis) const;
  /// Product of the sizes of axes [begin, end).
  int64_t numel_of(int begin, int end) const;

  Shape with(int axis, int64_t size) const;  ///< a copy with one size replaced
  bool operator==(const Shape& other) const;

 private:
  void finish();

  std::array<int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
  int64_t numel_ = 1;
};

std::string to_string(const Shape& shape);  ///< "[2,3,4]"

/// The shape both broadcast to (NumPy rules: align right, sizes equal or 1). Throws ShapeError.
Shape broadcast_shapes(const Shape& a, const Shape& b);

}  // namespace ito
