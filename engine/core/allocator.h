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
