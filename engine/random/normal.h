// Random bits to numbers, with the same bits of the result everywhere: any compiler, optimisation
// level and instruction set, CPU and CUDA.
//
// Normals are made by Box and Muller (1958): z = sqrt(-2 ln u1) (cos, sin)(2 pi u2). Logarithm and
// sine are our own polynomials and use only operations that IEEE 754 rounds correctly: fma, mul,
// sqrt, conversion from integers, and integer operations. No product is ever the operand of an
// addition (that is an explicit fma), so a compiler that contracts expressions finds nothing to
// contract. There is no branch, so a loop over blocks vectorises.
//
// Accuracy against exact arithmetic on the same u1 (fp32) and u2 (32 bits), tested: log_unit 1 ulp,
// sincos_turns 2 ulp, a normal 4 ulp.
#pragma once

#include <cstdint>

#include "engine/random/host_device.h"
#include "engine/random/philox.h"

#ifndef __CUDA_ARCH__
#include <bit>
#include <cmath>
#endif

namespace ito {

/// Four fp32 numbers made from one U32x4.
struct F32x4 {
  float v[4];
};

namespace detail {

#ifdef __CUDA_ARCH__
ITO_HD inline float fma_rn(float a, float b, float c) { return __fmaf_rn(a, b, c); }
ITO_HD inline float mul_rn(float a, float b) { return __fmul_rn(a, b); }
ITO_HD inline float sub_rn(float a, float b) { return __fsub_rn(a, b); }
ITO_HD inline float sqrt_rn(float a) { return __fsqrt_rn(a); }
ITO_HD inline float to_float_rn(uint32_t a) { return __uint2float_rn(a); }
ITO_HD inline float to_float_rn(int32_t a) { return __int2float_rn(a); }
ITO_HD inline float float_of_bits(uint32_t a) { return __uint_as_float(a); }
ITO_HD inline uint32_t bits_of_float(float a) { return __float_as_uint(a); }
#else
ITO_HD inline float fma_rn(float a, float b, float c) { return std::fma(a, b, c); }
ITO_HD inline float mul_rn(float a, float b) { return a * b; }
ITO_HD inline float sub_rn(float a, float b) { return a - b; }
ITO_HD inline float sqrt_rn(float a) { return std::sqrt(a); }
ITO_HD inline float to_float_rn(uint32_t a) { return static_cast<float>(a); }
ITO_HD inline float to_float_rn(int32_t a) { return static_cast<float>(a); }
ITO_HD inline float float_of_bits(uint32_t a) { return std::bit_cast<float>(a); }
ITO_HD inline uint32_t bits_of_float(float a) { return std::bit_cast<uint32_t>(a); }
#endif

/// (bits + 1/2) / 2^32 rounded to fp32: in [2^-33, 1], never 0.
ITO_HD inline float unit_interval(uint32_t bits) {
  return fma_rn(to_float_rn(bits), 0x1p-32f, 0x1p-33f);
}

/// ln(u) for a normal u > 0. With u = 2^e (1 + f) and 1 + f in [sqrt(1/2), sqrt(2)):
/// ln u = e ln 2 + f - f^2/2 + f^3 P(f), where P is a minimax fit of relative error 6e-9.
ITO_HD inline float log_unit(float u) {
  const uint32_t bits = bits_of_float(u);
  // Subtracting the bits of sqrt(1/2) makes the exponent field count from that boundary.
  const int32_t e = static_cast<int32_t>(bits - 0x3f3504f3u) >> 23;
  const float f = sub_rn(float_of_bits(bits - (static_cast<uint32_t>(e) << 23)), 1.0f);  // exact
  float p = -0x1.38cf2p-4f;
  p = fma_rn(f, p, 0x1.05602ep-3f);
  p = fma_rn(f, p, -0x1.0d81f2p-3f);
  p = fma_rn(f, p, 0x1.22d8f8p-3f);
  p = fma_rn(f, p, -0x1.54728cp-3f);
  p = fma_rn(f, p, 0x1.99a01ep-3f);
  p = fma_rn(f, p, -0x1.000226p-2f);
  p = fma_rn(f, p, 0x1.555554p-2f);
  p = fma_rn(f, p, -0.5f);
  const float log1p_f = fma_rn(mul_rn(f, f), p, f);
  return fma_rn(to_float_rn(e), 0x1.62e43p-1f, log1p_f);  // ln 2 to 2e-9 relative
}

struct SinCos {
  float sin, cos;
};

/// sin and cos of 2 pi bits / 2^32. The angle is reduced exactly, in integers, to a quarter turn
/// and a rest x in [-1/8, 1/8) turns; there sin = x (2 pi + x^2 S(x^2)) and cos = 1 + x^2 C(x^2)
/// with minimax S and C (relative errors 4e-9 and 5e-10).
ITO_HD inline SinCos sincos_turns(uint32_t bits) {
  const uint32_t quarter = (bits + 0x20000000u) >> 30;
  const float x = mul_rn(to_float_rn(static_cast<int32_t>(bits - (quarter << 30))), 0x1p-32f);
  const float y = mul_rn(x, x);
  float s = -0x1.2db5a6p+6f;
  s = fma_rn(y, s, 0x1.465facp+6f);
  s = fma_rn(y, s, -0x1.4abbbep+5f);
  s = fma_rn(y, s, -0x1.777a5cp-23f);  // 2 pi minus its fp32 value
  s = fma_rn(x, 0x1.921fb6p+2f, mul_rn(x, s));
  float c = 0x1.d4f7eap+5f;
  c = fma_rn(y, c, -0x1.55b2b6p+6f);
  c = fma_rn(y, c, 0x1.03c1bp+6f);
  c = fma_rn(y, c, -0x1.3bd3ccp+4f);
  c = fma_rn(y, c, 1.0f);
  const uint32_t odd = quarter & 1u;
  const uint32_t sin_sign = (quarter & 2u) << 30;
  const uint32_t cos_sign = ((quarter + 1u) & 2u) << 30;
  return {float_of_bits(bits_of_float(odd ? c : s) ^ sin_sign),
          float_of_bits(bits_of_float(odd ? s : c) ^ cos_sign)};
}

}  // namespace detail

/// Four independent N(0, 1) values; |z| <= 6.77, the limit of 32-bit uniforms. v[0], v[1] come from
/// words 0 (radius) and 1 (angle), v[2], v[3] from words 2 and 3.
ITO_HD inline F32x4 normal4(U32x4 bits) {
  using namespace detail;
  const float r0 = sqrt_rn(mul_rn(-2.0f, log_unit(unit_interval(bits.v[0]))));
  const float r1 = sqrt_rn(mul_rn(-2.0f, log_unit(unit_interval(bits.v[2]))));
  const SinCos a0 = sincos_turns(bits.v[1]);
  const SinCos a1 = sincos_turns(bits.v[3]);
  return {{mul_rn(r0, a0.cos), mul_rn(r0, a0.sin), mul_rn(r1, a1.cos), mul_rn(r1, a1.sin)}};
}

/// Uniform in [0, 1), a multiple of 2^-24: the upper 24 bits of the word.
ITO_HD inline float uniform1(uint32_t bits) {
  return detail::mul_rn(detail::to_float_rn(bits >> 8), 0x1p-24f);
}

/// Four uniforms, one of each word.
ITO_HD inline F32x4 uniform4(U32x4 bits) {
  return {{uniform1(bits.v[0]), uniform1(bits.v[1]), uniform1(bits.v[2]), uniform1(bits.v[3])}};
}

/// +1 or -1 with probability 1/2 each: the top bit is the sign.
ITO_HD inline float rademacher1(uint32_t bits) {
  return detail::float_of_bits(0x3f800000u | (bits & 0x80000000u));
}

/// Four signs, one of each word.
ITO_HD inline F32x4 rademacher4(U32x4 bits) {
  return {{rademacher1(bits.v[0]), rademacher1(bits.v[1]), rademacher1(bits.v[2]),
           rademacher1(bits.v[3])}};
}

/// An integer in [0, n), floor(bits n / 2^32). Probabilities differ by at most 2^-32 from 1/n.
/// n = 0 gives 0.
ITO_HD constexpr uint32_t bounded(uint32_t bits, uint32_t n) {
  return static_cast<uint32_t>((uint64_t{bits} * n) >> 32);
}

}  // namespace ito
