// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random
// numbers: as easy as 1, 2, 3" (SC 2011). It is a keyed bijection of 128-bit counters: there is no
// state to store, and every thread, batch and device finds the same bits at the same counter.
#pragma once

#include <cstdint>

#include "engine/random/host_device.h"

namespace ito {

/// Four 32-bit words: a counter, or the random bits that belong to it.
struct U32x4 {
  uint32_t v[4];
};

namespace detail {

/// One round (section 4.3, figure 2 of the paper): two 32 x 32 -> 64 bit products, and a
/// permutation of their halves with the key mixed in.
ITO_HD constexpr U32x4 philox_round(U32x4 c, uint32_t key0, uint32_t key1) {
  const uint64_t p0 = uint64_t{0xD2511F53u} * c.v[0];
  const uint64_t p1 = uint64_t{0xCD9E8D57u} * c.v[2];
  return {{static_cast<uint32_t>(p1 >> 32) ^ c.v[1] ^ key0, static_cast<uint32_t>(p1),
           static_cast<uint32_t>(p0 >> 32) ^ c.v[3] ^ key1, static_cast<uint32_t>(p0)}};
}

}  // namespace detail

/// The 128 random bits of `counter` under `key` (low word first). Pure; throws nothing.
ITO_HD constexpr U32x4 philox4x32_10(U32x4 counter, uint64_t key) {
  uint32_t key0 = static_cast<uint32_t>(key);
  uint32_t key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    counter = detail::philox_round(counter, key0, key1);
    key0 += 0x9E3779B9u;  // the Weyl sequence of the golden ratio
    key1 += 0xBB67AE85u;  // and of sqrt(3) - 1
  }
  return counter;
}

namespace detail {

constexpr bool philox_answers(U32x4 counter, uint64_t key, U32x4 expected) {
  const U32x4 bits = philox4x32_10(counter, key);
  return bits.v[0] == expected.v[0] && bits.v[1] == expected.v[1] && bits.v[2] == expected.v[2] &&
         bits.v[3] == expected.v[3];
}

// The known answers published with the paper's software: zeros, ones, and the digits of pi.
static_assert(philox_answers({{0, 0, 0, 0}}, 0,
                             {{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}}));
static_assert(philox_answers({{0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu}},
                             0xffffffffffffffffu,
                             {{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}}));
static_assert(philox_answers({{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}},
                             0x299f31d0a4093822u,
                             {{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}}));

}  // namespace detail

}  // namespace ito
