#include "engine/core/allocator.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/check.h"
#include "engine/cuda/runtime.h"

extern "C" void __asan_init() __attribute__((weak));

namespace ito {
namespace {

thread_local int no_alloc_depth = 0;
thread_local Device pool_device = kCpu;
thread_local std::shared_ptr<Allocator> chosen_pool;

/// Under AddressSanitizer, and with ITO_ALLOCATOR=direct for the checkers of a GPU, every block
/// comes from the system in its exact size, so that an overrun by one byte is seen.
bool exact_blocks() {
  static const bool exact = [] {
    const char* text = std::getenv("ITO_ALLOCATOR");
    return &__asan_init != nullptr || (text != nullptr && std::string_view(text) == "direct");
  }();
  return exact;
}

constexpr size_t kAlignment = 64;

/// Rounds up to one of four steps per power of two: at most 25 % is wasted, and sizes that differ a
/// little share a class.
size_t size_class(size_t bytes) {
  if (exact_blocks()) return bytes;
  if (bytes <= 256) return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  const size_t step = std::bit_floor(bytes - 1) / 4;
  return (bytes + step - 1) / step * step;
}

/// Where blocks come from when the cache has none. `take` returns null where there is no memory.
struct Source {
  Device device;
  void* take(size_t bytes) const {
    if (device.kind != DeviceKind::cpu) return cuda::runtime_of(device).allocate(bytes);
    void* block = nullptr;
    return posix_memalign(&block, kAlignment, bytes) == 0 ? block : nullptr;
  }
  void give_back(void* block) const noexcept {
    if (device.kind != DeviceKind::cpu) return cuda::runtime_of(device).release(block);
    std::free(block);
  }
};

class CachingAllocator final : public Allocator {
 public:
  explicit CachingAllocator(Device device) : source_{device} {}
  ~CachingAllocator() override { trim(); }

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
    if (exact_blocks()) return source_.give_back(p);
    try {
      free_[size].push_back(p);
      stats_.cached_bytes += static_cast<int64_t>(size);
    } catch (...) {  // no memory for the free list itself
      source_.give_back(p);
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
    void* block = source_.take(size);
    if (block == nullptr) {
      drop_cache();
      block = source_.take(size);
    }
    if (block == nullptr) {
      fail(ErrorCode::out_of_memory, to_string(source_.device) + " memory",
           "cannot allocate " + std::to_string(requested) + " bytes, " +
               std::to_string(stats_.live_bytes) + " in use",
           "use a smaller batch or a device with more memory");
    }
    return block;
  }

  void drop_cache() {
    for (auto& [size, blocks] : free_) {
      for (void* block : blocks) source_.give_back(block);
    }
    free_.clear();
    stats_.cached_bytes = 0;
  }

  const Source source_;
  mutable std::mutex mutex_;
  std::map<size_t, std::vector<void*>> free_;  // size class -> blocks
  AllocatorStats stats_;
};

}  // namespace

NoAllocScope::NoAllocScope() { ++no_alloc_depth; }
NoAllocScope::~NoAllocScope() { --no_alloc_depth; }
bool NoAllocScope::active() { return no_alloc_depth > 0; }

Allocator& allocator_of(Device device) {
  // Never destroyed: tensors in static storage may outlive any destructor order.
  static auto& host = *new CachingAllocator(kCpu);
  if (device.kind == DeviceKind::cpu) return host;
  static std::mutex mutex;
  static auto& others = *new std::map<std::pair<DeviceKind, int8_t>, CachingAllocator>;
  cuda::runtime_of(device);  // throws where there is none
  const std::lock_guard lock(mutex);
  return others.try_emplace({device.kind, device.index}, device).first->second;
}

std::shared_ptr<Allocator> make_pool(Device device) {
  return std::make_shared<CachingAllocator>(device);
}

PoolScope::PoolScope(Device device, std::shared_ptr<Allocator> pool)
    : previous_device_(pool_device), previous_pool_(std::move(chosen_pool)) {
  pool_device = device;
  chosen_pool = std::move(pool);
}
PoolScope::~PoolScope() {
  pool_device = previous_device_;
  chosen_pool = std::move(previous_pool_);
}
std::shared_ptr<Allocator> PoolScope::current(Device device) {
  return device == pool_device ? chosen_pool : nullptr;
}

}  // namespace ito
