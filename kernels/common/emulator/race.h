// Race check: what every access of a kernel is reported to. Empty except in the race build, where
// kernel sources are compiled with -fsanitize=thread and tsan_hooks.cpp calls read() and write().
#pragma once

#include <cstddef>

namespace ito::gpu::emu::race {

#ifdef ITO_EMULATE_RACE

inline constexpr bool kEnabled = true;

void begin_launch(const void* dynamic_shared, std::size_t bytes);
void begin_block();
void block_barrier();
void warp_barrier(unsigned warp);
void fence();  ///< the running block may from now on read what other blocks wrote

/// Accesses of the running thread. Outside kernels and on stacks they are ignored.
void read(const void* address, std::size_t bytes);
void write(const void* address, std::size_t bytes);
/// An integer atomic: races with plain accesses only.
void atomic(const void* address, std::size_t bytes);
/// The target of an asynchronous copy: until the write() that ends it, nobody may touch it.
void begin_copy(const void* address, std::size_t bytes);

#else

inline constexpr bool kEnabled = false;

inline void begin_launch(const void*, std::size_t) {}
inline void begin_block() {}
inline void block_barrier() {}
inline void warp_barrier(unsigned) {}
inline void fence() {}
inline void read(const void*, std::size_t) {}
inline void write(const void*, std::size_t) {}
inline void atomic(const void*, std::size_t) {}
inline void begin_copy(const void*, std::size_t) {}

#endif

}  // namespace ito::gpu::emu::race
