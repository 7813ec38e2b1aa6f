// The caching allocator: freed blocks are kept in size classes and handed out again, so that a loop
// with fixed shapes allocates from the system only in its first turn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/core/device.h"

namespace ito {

struct AllocatorStats {
  int64_t live_bytes = 0;    ///< handed out now
  int64_t peak_bytes = 0;    ///< highest live_bytes since reset_peak
  int64_t cached_bytes = 0;  ///< kept for reuse
  int64_t requests = 0;      ///< allocations asked for
  int64_t misses = 0;        ///< of these, served by the system
};

/// One allocator per device; thread-safe. Blocks are 64-byte aligned at least.
class Allocator {
 public:
  virtual ~Allocator() = default;
  /// Throws UserError(out_of_memory) naming request, live and cached bytes; Error inside a
  /// NoAllocScope when the cache cannot serve the request.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* p, size_t bytes) noexcept = 0;
  virtual AllocatorStats stats() const = 0;
  virtual void reset_peak() = 0;
  virtual void trim() = 0;  ///< gives cached blocks back to the system
};

/// The allocator of a device. Throws DeviceError if the device is not available.
Allocator& allocator_of(Device device);

/// A cache of its own for a device, whose blocks never serve anybody else: what a recorded graph
/// writes to must not be handed out while the graph lives.
std::shared_ptr<Allocator> make_pool(Device device);

/// While one is alive on this thread, storage on `device` comes from `pool` and keeps it alive.
class PoolScope {
 public:
  PoolScope(Device device, std::shared_ptr<Allocator> pool);
  ~PoolScope();
  PoolScope(const PoolScope&) = delete;
  PoolScope& operator=(const PoolScope&) = delete;
  /// The pool for `device` on this thread; null if there is none.
  static std::shared_ptr<Allocator> current(Device device);

 private:
  Device previous_device_;
  std::shared_ptr<Allocator> previous_pool_;
};

/// While one is alive on this thread, an allocation that the cache cannot serve throws: proves that
/// a hot loop allocates nothing.
class NoAllocScope {
 public:
  NoAllocScope();
  ~NoAllocScope();
  NoAllocScope(const NoAllocScope&) = delete;
  NoAllocScope& operator=(const NoAllocScope&) = delete;
  static bool active();
};

}  // namespace ito
