// The machine that the emulator pretends to be: what gpu_emulated.h calls. Kernels never use it
// directly. One block runs at a time, in one host thread; other host threads wait for their turn.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/common/gpu_types.h"

namespace ito::gpu::emu {

struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned nx = 1, unsigned ny = 1, unsigned nz = 1) : x(nx), y(ny), z(nz) {}
};

inline constexpr unsigned kWarpLanes = 32;

struct Fiber;

/// An asynchronous copy that has not arrived.
struct PendingCopy {
  void* target;
  unsigned group;
  unsigned char data[16];
};

/// One CUDA thread.
struct Thread {
  uint3 index;
  unsigned linear = 0, lane = 0, warp = 0;
  bool finished = false;
  Fiber* fiber = nullptr;  ///< where it is suspended
  std::vector<PendingCopy> copies;
  unsigned groups = 0;  ///< copy groups closed so far
};

/// Where the running thread stands in the grid.
struct GridPosition {
  dim3 grid, block;
  uint3 block_index;
};

/// What a warp does together. All lanes must arrive with the same one.
enum class WarpOp { none, barrier, shuffle, mma_bf16, mma_tf32, ldmatrix, ldmatrix_trans };

/// What the lanes of a warp lay down for each other.
struct alignas(16) Slot {
  unsigned char bytes[64];
};
using Slots = std::array<Slot, kWarpLanes>;

extern Thread* current_thread;  ///< null outside kernels
extern GridPosition grid_position;

struct Launch {
  dim3 grid, block;
  std::size_t shared_bytes;
  void (*run)(void* context);
  void* context;
  const void* kernel;  ///< address of the kernel, for its name
};

/// Runs all blocks. The message of the Status lives until the next call.
Status run_grid(const Launch& launch);

/// Ends the launch with an error "kernel k, block (..), thread (..): text".
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));
[[noreturn]] void fail_misaligned(const void* address);

void* dynamic_shared_memory();
void block_barrier();
void warp_barrier(unsigned mask);
/// Makes global writes of other blocks legal to read for this block (race check).
void global_fence();

/// Waits for all lanes, each with `bytes` bytes; the last one applies `combine`, if there is one.
/// The result may be read until this thread's next but one exchange.
const Slots& exchange(WarpOp op, const void* mine, std::size_t bytes,
                      void (*combine)(Slots&) = nullptr);

// Built on exchange (warp_ops.cpp).
void shuffle(unsigned mask, const void* value, void* result, std::size_t bytes, int source);
void mma(WarpOp op, float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]);
void ldmatrix(WarpOp op, std::uint32_t (&r)[4], const void* row);

void copy_async(void* shared, const void* global, int bytes);
void copy_commit();
void copy_wait(unsigned pending);

unsigned atomic_add(unsigned* address, unsigned value);

/// "kernel name", from the symbol table of the program; the address if it is stripped.
const char* kernel_name(const void* kernel);

}  // namespace ito::gpu::emu
