// Deterministic parallel loops.
//
// Work is cut into chunks by its size alone, never by the number of threads; chunks are handed out
// dynamically and write to places of their own, so results do not depend on the thread count. The
// calling thread works too. Nobody spins for long: a thread that is not running cannot be waited
// for in a busy loop without losing whole scheduler ticks on a busy machine.
#pragma once

#include <cstdint>
#include <functional>

namespace ito {

/// Threads that parallel_for may use, the caller included; at least 1. 0 restores the default (all
/// cores this process may run on, or ITO_NUM_THREADS). Must not be called inside a parallel loop.
void set_num_threads(int count);
int num_threads();

namespace detail {
void run_chunks(int64_t chunks, void* context, void (*body)(void*, int64_t));
}

/// Calls body(chunk) once for every chunk in [0, chunks), in any order and on any thread. Loops
/// inside a body run on its thread. The first exception is rethrown when all running chunks have
/// ended.
template <class Body>
void parallel_for(int64_t chunks, Body&& body) {
  using B = std::remove_reference_t<Body>;
  detail::run_chunks(chunks, const_cast<void*>(static_cast<const void*>(&body)),
                     [](void* b, int64_t chunk) { (*static_cast<B*>(b))(chunk); });
}

/// Cuts [0, size) into pieces of `grain` (the last may be shorter) and calls body(begin, end).
template <class Body>
void parallel_ranges(int64_t size, int64_t grain, Body&& body) {
  if (size <= 0) return;
  const int64_t step = grain < 1 ? 1 : grain;
  parallel_for((size + step - 1) / step, [&](int64_t chunk) {
    const int64_t begin = chunk * step;
    body(begin, begin + step < size ? begin + step : size);
  });
}

}  // namespace ito
