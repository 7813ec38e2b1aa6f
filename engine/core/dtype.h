// Element types. f64 exists for exactness (tests, oracles), bf16 for speed; there is no f16: it
// would need loss scaling.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "engine/core/check.h"

namespace ito {

enum class DType : uint8_t { f32, bf16, f64, i32, i64, u8 };

constexpr size_t size_of(DType t) {
  constexpr size_t bytes[] = {4, 2, 8, 4, 8, 1};
  return bytes[static_cast<int>(t)];
}
constexpr bool is_floating(DType t) {
  return t == DType::f32 || t == DType::bf16 || t == DType::f64;
}
constexpr std::string_view name_of(DType t) {
  constexpr std::string_view names[] = {"f32", "bf16", "f64", "i32", "i64", "u8"};
  return names[static_cast<int>(t)];
}
inline std::string to_string(DType t) { return std::string(name_of(t)); }

/// bfloat16: the upper half of an f32. Storage only; arithmetic happens in float.
/// Conversion from float rounds to nearest even; NaN stays NaN.
struct BFloat16 {
  uint16_t bits = 0;

  BFloat16() = default;
  explicit BFloat16(float value) {
    const auto u = std::bit_cast<uint32_t>(value);
    const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
    const uint32_t rounded = u + 0x7fffu + ((u >> 16) & 1u);
    bits = static_cast<uint16_t>(nan ? (u >> 16) | 0x40u : rounded >> 16);
  }
  explicit BFloat16(double value) : BFloat16(static_cast<float>(value)) {}
  operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
};

/// Type in which values of T are summed: float for f32 and bf16, double for f64.
template <class T>
struct AccType {
  using type = float;
};
template <>
struct AccType<double> {
  using type = double;
};
template <class T>
using Acc = typename AccType<T>::type;

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::f32;
  if constexpr (std::is_same_v<T, BFloat16>) return DType::bf16;
  if constexpr (std::is_same_v<T, double>) return DType::f64;
  if constexpr (std::is_same_v<T, int32_t>) return DType::i32;
  if constexpr (std::is_same_v<T, int64_t>) return DType::i64;
  if constexpr (std::is_same_v<T, uint8_t>) return DType::u8;
}

/// Relative spacing of a floating type: 2^-23, 2^-7, 2^-52.
constexpr double epsilon_of(DType t) {
  return t == DType::f64 ? 0x1p-52 : t == DType::f32 ? 0x1p-23 : 0x1p-7;
}

/// Calls f.template operator()<T>() with the C++ type of a floating dtype. `what` names the caller
/// in the DTypeError for any other dtype.
template <class F>
decltype(auto) dispatch_float(DType t, std::string_view what, F&& f) {
  switch (t) {
    case DType::f32:
      return f.template operator()<float>();
    case DType::bf16:
      return f.template operator()<BFloat16>();
    case DType::f64:
      return f.template operator()<double>();
    default:
      break;
  }
  throw DTypeError(detail::rule_text("needs a floating dtype", kv("dtype", t), kv("in", what)));
}

/// The same for every dtype.
template <class F>
decltype(auto) dispatch_any(DType t, F&& f) {
  switch (t) {
    case DType::f32:
      return f.template operator()<float>();
    case DType::bf16:
      return f.template operator()<BFloat16>();
    case DType::f64:
      return f.template operator()<double>();
    case DType::i32:
      return f.template operator()<int32_t>();
    case DType::i64:
      return f.template operator()<int64_t>();
    case DType::u8:
      break;
  }
  return f.template operator()<uint8_t>();
}

}  // namespace ito
