// Shuffles, matrix fragments and asynchronous copies. In fragments g = lane/4 and t = lane%4, as in
// the PTX documentation of mma and ldmatrix.
#include <cstring>

#include "kernels/common/emulator/emulator.h"
#include "kernels/common/emulator/machine.h"
#include "kernels/common/emulator/race.h"

namespace ito::gpu::emu {
namespace {

constexpr unsigned kAllLanes = 0xFFFFFFFFu;

void require_full(unsigned mask) {
  if (mask != kAllLanes) fail("partial mask %08x: kernels use full-mask forms only", mask);
}

struct Fragments {  // one lane's part of d += a * b
  float d[4];
  std::uint32_t a[4], b[2];
};
static_assert(sizeof(Fragments) <= sizeof(Slot));

float as_float(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

float bf16_half(std::uint32_t pair, unsigned half) {
  return as_float(half == 0 ? pair << 16 : pair & 0xFFFF0000u);
}

std::array<Fragments, kWarpLanes> load(const Slots& slots) {
  std::array<Fragments, kWarpLanes> lanes;
  for (unsigned l = 0; l < kWarpLanes; ++l) {
    std::memcpy(&lanes[l], slots[l].bytes, sizeof(Fragments));
  }
  return lanes;
}

/// Adds a (16 x depth) * b (depth x 8), products in ascending k, and stores every lane's d.
template <unsigned depth>
void accumulate(std::array<Fragments, kWarpLanes>& lanes, const float (&a)[16][depth],
                const float (&b)[depth][8], Slots& slots) {
  for (unsigned l = 0; l < kWarpLanes; ++l) {
    const unsigned g = l / 4, t = l % 4;
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned row = g + 8 * (i / 2), column = 2 * t + i % 2;
      float sum = lanes[l].d[i];
      for (unsigned k = 0; k < depth; ++k) sum += a[row][k] * b[k][column];
      lanes[l].d[i] = sum;
    }
    std::memcpy(slots[l].bytes, lanes[l].d, sizeof lanes[l].d);
  }
}

void combine_bf16(Slots& slots) {
  auto lanes = load(slots);
  float a[16][16], b[16][8];
  for (unsigned l = 0; l < kWarpLanes; ++l) {
    const unsigned g = l / 4, t = l % 4;
    for (unsigned half = 0; half < 2; ++half) {
      for (unsigned i = 0; i < 4; ++i) {
        a[g + 8 * (i % 2)][2 * t + half + 8 * (i / 2)] = bf16_half(lanes[l].a[i], half);
      }
      for (unsigned i = 0; i < 2; ++i) {
        b[2 * t + half + 8 * i][g] = bf16_half(lanes[l].b[i], half);
      }
    }
  }
  accumulate(lanes, a, b, slots);
}

void combine_tf32(Slots& slots) {
  auto lanes = load(slots);
  constexpr std::uint32_t kTf32Bits = ~0x1FFFu;  // the device ignores the low 13 bits
  float a[16][8], b[8][8];
  for (unsigned l = 0; l < kWarpLanes; ++l) {
    const unsigned g = l / 4, t = l % 4;
    for (unsigned i = 0; i < 4; ++i) {
      a[g + 8 * (i % 2)][t + 4 * (i / 2)] = as_float(lanes[l].a[i] & kTf32Bits);
    }
    for (unsigned i = 0; i < 2; ++i) b[t + 4 * i][g] = as_float(lanes[l].b[i] & kTf32Bits);
  }
  accumulate(lanes, a, b, slots);
}

enum class Transpose { no, yes };

constexpr std::size_t kRowOffset = 16;  // where a slot keeps the row address, behind the result

template <Transpose transpose>
void combine_ldmatrix(Slots& slots) {
  std::uint16_t tiles[4][8][8];
  for (unsigned l = 0; l < kWarpLanes; ++l) {
    const void* row;
    std::memcpy(&row, slots[l].bytes, sizeof row);
    std::memcpy(tiles[l / 8][l % 8], row, sizeof tiles[0][0]);
    std::memcpy(slots[l].bytes + kRowOffset, &row, sizeof row);
  }
  for (unsigned l = 0; l < kWarpLanes; ++l) {
    const unsigned g = l / 4, t = l % 4;
    std::uint32_t r[4];
    for (unsigned m = 0; m < 4; ++m) {
      const auto& tile = tiles[m];
      const bool across = transpose == Transpose::no;
      const std::uint32_t low = across ? tile[g][2 * t] : tile[2 * t][g];
      const std::uint32_t high = across ? tile[g][2 * t + 1] : tile[2 * t + 1][g];
      r[m] = low | high << 16;
    }
    std::memcpy(slots[l].bytes, r, sizeof r);
  }
}

void check_aligned(const void* address) {
  if (reinterpret_cast<std::uintptr_t>(address) % 16 != 0) fail_misaligned(address);
}

}  // namespace

void warp_barrier(unsigned mask) {
  require_full(mask);
  exchange(WarpOp::barrier, nullptr, 0);
}

void shuffle(unsigned mask, const void* value, void* result, std::size_t bytes, int source) {
  require_full(mask);
  const Slots& slots = exchange(WarpOp::shuffle, value, bytes);
  std::memcpy(result, slots[static_cast<unsigned>(source)].bytes, bytes);
}

void mma(WarpOp op, float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  Fragments mine;
  std::memcpy(mine.d, d, sizeof d);
  std::memcpy(mine.a, a, sizeof a);
  std::memcpy(mine.b, b, sizeof b);
  const auto combine = op == WarpOp::mma_bf16 ? combine_bf16 : combine_tf32;
  const Slots& slots = exchange(op, &mine, sizeof mine, combine);
  std::memcpy(d, slots[current_thread->lane].bytes, sizeof d);
}

void ldmatrix(WarpOp op, std::uint32_t (&r)[4], const void* row) {
  check_aligned(row);
  const bool across = op == WarpOp::ldmatrix;
  const auto combine = across ? combine_ldmatrix<Transpose::no> : combine_ldmatrix<Transpose::yes>;
  const Slots& slots = exchange(op, &row, sizeof row, combine);
  const unsigned g = current_thread->lane / 4, t = current_thread->lane % 4;
  std::memcpy(r, slots[current_thread->lane].bytes, sizeof r);
  for (unsigned m = 0; m < 4; ++m) {  // what this lane received counts as read by it
    const auto read = [&](unsigned tile_row, unsigned column, std::size_t bytes) {
      const char* begin;
      std::memcpy(&begin, slots[8 * m + tile_row].bytes + kRowOffset, sizeof begin);
      race::read(begin + 2 * column, bytes);
    };
    if (across) {
      read(g, 2 * t, 4);
    } else {
      read(2 * t, g, 2);
      read(2 * t + 1, g, 2);
    }
  }
}

void copy_async(void* shared, const void* global, int bytes) {
  check_aligned(shared);
  check_aligned(global);
  if (bytes < 0 || bytes > 16) fail("cp_async16 of %d bytes", bytes);
  Thread& self = *current_thread;
  PendingCopy copy{shared, self.groups, {}};
  if (bytes > 0) {
    race::read(global, static_cast<std::size_t>(bytes));
    std::memcpy(copy.data, global, static_cast<std::size_t>(bytes));
  }
  // Touch the target, so that AddressSanitizer reports a bad one here and not at the wait.
  const auto* target = static_cast<const volatile unsigned char*>(shared);
  static_cast<void>(target[0]);
  static_cast<void>(target[15]);
  race::begin_copy(shared, sizeof copy.data);
  self.copies.push_back(copy);
}

void copy_commit() { ++current_thread->groups; }

void copy_wait(unsigned pending) {
  Thread& self = *current_thread;
  std::vector<PendingCopy> later;
  for (const PendingCopy& copy : self.copies) {
    if (copy.group + pending >= self.groups) {
      later.push_back(copy);
      continue;
    }
    std::memcpy(copy.target, copy.data, sizeof copy.data);
    race::write(copy.target, sizeof copy.data);
  }
  self.copies = std::move(later);
}

unsigned atomic_add(unsigned* address, unsigned value) {
  race::atomic(address, sizeof *address);
  const unsigned old = *address;
  *address = old + value;
  return old;
}

}  // namespace ito::gpu::emu
