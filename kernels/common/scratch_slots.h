// Scratch memory for the chunks of a parallel loop: one piece per thread that can run at a time,
// not one per chunk. Which piece a chunk gets never matters, because a chunk reads only what it
// wrote.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <vector>

#include "engine/autograd/op_info.h"
#include "engine/core/parallel.h"

namespace ito {

template <class T>
class ScratchSlots {
 public:
  /// Pieces of `size` elements, 64-byte aligned, enough for a loop over `chunks` chunks.
  ScratchSlots(Launch& launch, int64_t chunks, int64_t size) {
    const int64_t count = std::clamp<int64_t>(chunks, 1, num_threads());
    constexpr int64_t kLine = 64 / sizeof(T);
    const int64_t step = (size + kLine - 1) / kLine * kLine;
    T* base = launch.scratch<T>(count * step);
    for (int64_t i = 0; i < count; ++i) free_.push_back(base + i * step);
  }

  /// Calls body(piece) with a piece that nobody else uses meanwhile.
  template <class Body>
  void with(Body&& body) {
    const Borrowed piece{*this, take()};
    body(piece.data);
  }

 private:
  struct Borrowed {
    ScratchSlots& owner;
    T* data;
    ~Borrowed() { owner.give(data); }
  };
  T* take() {
    const std::lock_guard lock(mutex_);
    T* piece = free_.back();
    free_.pop_back();
    return piece;
  }
  void give(T* piece) {
    const std::lock_guard lock(mutex_);
    free_.push_back(piece);
  }

  std::mutex mutex_;
  std::vector<T*> free_;
};

}  // namespace ito
