#include "engine/core/shape.h"

#include <algorithm>

#include "engine/core/check.h"

namespace ito {

Shape::Shape(std::initializer_list<int64_t> sizes)
    : Shape(std::span<const int64_t>(sizes.begin(), sizes.size())) {}

Shape::Shape(std::span<const int64_t> sizes) {
  ITO_CHECK(sizes.size() <= kMaxRank, ShapeError, "too many axes", kv("rank", sizes.size()),
            kv("limit", kMaxRank));
  std::copy(sizes.begin(), sizes.end(), sizes_.begin());
  rank_ = static_cast<int>(sizes.size());
  finish();
}

void Shape::finish() {
  constexpr int64_t kLimit = int64_t{1} << 60;  // times 8 bytes still fits in int64_t
  numel_ = 1;
  // The product is checked over the non-zero sizes, so that a zero cannot hide an overflow that a
  // later broadcast would bring out.
  int64_t nonzero = 1;
  for (int64_t size : this->sizes()) {
    ITO_CHECK(size >= 0, ShapeError, "sizes must not be negative", kv("size", size));
    if (size > 0) {
      ITO_CHECK(nonzero <= kLimit / size, ShapeError, "number of elements overflows",
                kv("size", size), kv("others", nonzero));
      nonzero *= size;
    }
    numel_ = size == 0 ? 0 : numel_ * size;
  }
}

int Shape::normalize(int axis) const {
  ITO_CHECK(axis >= -rank_ && axis < rank_, ShapeError, "axis out of range", kv("axis", axis),
            kv("rank", rank_));
  return axis < 0 ? axis + rank_ : axis;
}

int64_t Shape::numel_of(int begin, int end) const {
  int64_t product = 1;
  for (int i = begin; i < end; ++i) product *= sizes_[static_cast<size_t>(i)];
  return product;
}

Shape Shape::with(int axis, int64_t size) const {
  Shape copy = *this;
  copy.sizes_[static_cast<size_t>(normalize(axis))] = size;
  copy.finish();
  return copy;
}

bool Shape::operator==(const Shape& other) const {
  return std::ranges::equal(sizes(), other.sizes());
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (int64_t size : shape.sizes()) {
    if (text.size() > 1) text += ',';
    text += std::to_string(size);
  }
  return text + "]";
}

Shape broadcast_shapes(const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  std::array<int64_t, Shape::kMaxRank> sizes{};
  for (int i = 1; i <= rank; ++i) {
    const int64_t m = i <= a.rank() ? a[-i] : 1;
    const int64_t n = i <= b.rank() ? b[-i] : 1;
    ITO_CHECK(m == n || m == 1 || n == 1, ShapeError, "shapes do not broadcast", kv("a", a),
              kv("b", b));
    sizes[static_cast<size_t>(rank - i)] = m == 1 ? n : m;
  }
  return Shape(std::span<const int64_t>(sizes.data(), static_cast<size_t>(rank)));
}

}  // namespace ito
