#include "engine/core/allocator.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "engine/core/check.h"

extern "C" void __asan_init() __attribute__((weak));

namespace ito {
namespace {

thread_local int no_alloc_depth = 0;

/// Under AddressSanitizer every block comes from the system in its exact size, so that an overrun
/// by one byte is seen.
bool exact_blocks() { return &__asan_init != nullptr; }

constexpr size_t kAlignment = 64;

/// Rounds up to one of four steps per power of two: at most 25 % is wasted, and sizes that differ a
/// little share a class.
size_t size_class(size_t bytes) {
  if (exact_blocks()) return bytes;
  if (bytes <= 256) return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  const size_t step = std::bit_floor(bytes - 1) / 4;
  return (bytes + step - 1) / step * step;
}

class HostAllocator final : public Allocator {
 public:
  ~HostAllocator() override { trim(); }

  void* allocate(size_t bytes) override {
    if (bytes == 0) return nullptr;
    const size_t size = size_class(bytes);
    const std::lock_guard lock(mutex_);
    ++stats_.requests;
    void* block = take_cached(size);
    if (block == nullptr) {
      ITO_CHECK(!NoAllocScope::active(), Error, "allocation inside a NoAllocScope",
                kv("bytes", bytes));
      block = take_from_system(size, bytes);
    }
    stats_.live_bytes += static_cast<int64_t>(size);
    stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.live_bytes);
    return block;
  }

  void release(void* p, size_t bytes) noexcept override {
    if (p == nullptr) return;
    const size_t size = size_class(bytes);
    const std::lock_guard lock(mutex_);
    stats_.live_bytes -= static_cast<int64_t>(size);
    if (exact_blocks()) return std::free(p);
    try {
      free_[size].push_back(p);
      stats_.cached_bytes += static_cast<int64_t>(size);
    } catch (...) {  // no memory for the free list itself
      std::free(p);
    }
  }

  AllocatorStats stats() const override {
    const std::lock_guard lock(mutex_);
    return stats_;
  }
  void reset_peak() override {
    const std::lock_guard lock(mutex_);
    stats_.peak_bytes = stats_.live_bytes;
  }
  void trim() override {
    const std::lock_guard lock(mutex_);
    drop_cache();
  }

 private:
  void* take_cached(size_t size) {
    const auto it = free_.find(size);
    if (it == free_.end() || it->second.empty()) return nullptr;
    void* block = it->second.back();
    it->second.pop_back();
    stats_.cached_bytes -= static_cast<int64_t>(size);
    return block;
  }

  void* take_from_system(size_t size, size_t requested) {
    ++stats_.misses;
    void* block = nullptr;
    if (posix_memalign(&block, kAlignment, size) != 0) {
      drop_cache();
      if (posix_memalign(&block, kAlignment, size) != 0) block = nullptr;
    }
    if (block == nullptr) {
      fail(ErrorCode::out_of_memory, "cpu memory",
           "cannot allocate " + std::to_string(requested) + " bytes, " +
               std::to_string(stats_.live_bytes) + " in use",
           "use a smaller batch or a machine with more memory");
    }
    return block;
  }

  void drop_cache() {
    for (auto& [size, blocks] : free_) {
      for (void* block : blocks) std::free(block);
    }
    free_.clear();
    stats_.cached_bytes = 0;
  }

  mutable std::mutex mutex_;
  std::map<size_t, std::vector<void*>> free_;  // size class -> blocks
  AllocatorStats stats_;
};

}  // namespace

NoAllocScope::NoAllocScope() { ++no_alloc_depth; }
NoAllocScope::~NoAllocScope() { --no_alloc_depth; }
bool NoAllocScope::active() { return no_alloc_depth > 0; }

Allocator& host_allocator() {
  // Never destroyed: tensors in static storage may outlive any destructor order.
  static HostAllocator* allocator = new HostAllocator;
  return *allocator;
}

}  // namespace ito
