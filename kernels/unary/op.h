// Element-wise functions of one tensor.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

enum class UnaryKind {
  linear,  // p0 * x + p1
  exp,
  log,
  expm1,
  log1p,
  sqrt,
  rsqrt,  // 1 / sqrt(x)
  reciprocal,
  square,
  power,  // x^p0
  sin,
  cos,
  tanh,
  sigmoid,
  silu,      // x * sigmoid(x)
  softplus,  // log(1 + exp(x))
  relu,
  leaky_relu,  // x > 0 ? x : p0 * x
  elu,         // x > 0 ? x : exp(x) - 1
  abs,
  sign,  // -1, 0, 1; gradient zero
  step,  // x > 0 ? 1 : 0; gradient zero
};
inline constexpr int kUnaryKinds = 22;

/// y = f(x), any floating dtype (bf16 is computed in float). p0, p1: parameters where the kind has
/// them.
Tensor unary(UnaryKind kind, const Tensor& x, double p0 = 0, double p1 = 0);
inline Tensor linear_map(const Tensor& x, double scale, double shift) {
  return unary(UnaryKind::linear, x, scale, shift);
}
inline Tensor exp(const Tensor& x) { return unary(UnaryKind::exp, x); }
inline Tensor log(const Tensor& x) { return unary(UnaryKind::log, x); }
inline Tensor sqrt(const Tensor& x) { return unary(UnaryKind::sqrt, x); }
inline Tensor rsqrt(const Tensor& x) { return unary(UnaryKind::rsqrt, x); }
inline Tensor reciprocal(const Tensor& x) { return unary(UnaryKind::reciprocal, x); }
inline Tensor square(const Tensor& x) { return unary(UnaryKind::square, x); }
inline Tensor power(const Tensor& x, double p) { return unary(UnaryKind::power, x, p); }
inline Tensor sin(const Tensor& x) { return unary(UnaryKind::sin, x); }
inline Tensor cos(const Tensor& x) { return unary(UnaryKind::cos, x); }
inline Tensor tanh(const Tensor& x) { return unary(UnaryKind::tanh, x); }
inline Tensor sigmoid(const Tensor& x) { return unary(UnaryKind::sigmoid, x); }
inline Tensor silu(const Tensor& x) { return unary(UnaryKind::silu, x); }
inline Tensor softplus(const Tensor& x) { return unary(UnaryKind::softplus, x); }
inline Tensor relu(const Tensor& x) { return unary(UnaryKind::relu, x); }
inline Tensor leaky_relu(const Tensor& x, double slope) {
  return unary(UnaryKind::leaky_relu, x, slope);
}
inline Tensor elu(const Tensor& x) { return unary(UnaryKind::elu, x); }

}  // namespace ito::ops

namespace ito {

inline Tensor operator-(const Tensor& x) { return ops::linear_map(x, -1, 0); }
inline Tensor operator*(double a, const Tensor& x) { return ops::linear_map(x, a, 0); }
inline Tensor operator*(const Tensor& x, double a) { return ops::linear_map(x, a, 0); }
inline Tensor operator/(const Tensor& x, double a) { return ops::linear_map(x, 1 / a, 0); }
inline Tensor operator+(const Tensor& x, double b) { return ops::linear_map(x, 1, b); }
inline Tensor operator+(double b, const Tensor& x) { return ops::linear_map(x, 1, b); }
inline Tensor operator-(const Tensor& x, double b) { return ops::linear_map(x, 1, -b); }
inline Tensor operator-(double b, const Tensor& x) { return ops::linear_map(x, -1, b); }

}  // namespace ito
