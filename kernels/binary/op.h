// Element-wise operations on two tensors, with broadcasting (NumPy rules).
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

enum class BinaryKind { add, sub, mul, div, maximum, minimum, greater_equal };
inline constexpr int kBinaryKinds = 7;

// a, b: the same floating dtype, shapes that broadcast. At a tie maximum and minimum send the
// gradient to both operands by halves. greater_equal is 1 where a >= b, else 0; its gradient is
// zero. Throw ShapeError, DTypeError, DeviceError.
Tensor binary(BinaryKind kind, const Tensor& a, const Tensor& b);
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);
Tensor greater_equal(const Tensor& a, const Tensor& b);

}  // namespace ito::ops

namespace ito {

inline Tensor operator+(const Tensor& a, const Tensor& b) { return ops::add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return ops::sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return ops::mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return ops::div(a, b); }

}  // namespace ito
