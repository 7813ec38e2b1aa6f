// Bytes on a device. Storage knows neither shape nor dtype.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/core/device.h"

namespace ito {

class Allocator;

class Storage {
 public:
  /// From the caching allocator; uninitialised.
  static std::shared_ptr<Storage> allocate(size_t bytes, Device device);
  /// A view of memory that somebody else owns; `owner` is kept alive with it.
  static std::shared_ptr<Storage> borrow(void* data, size_t bytes, Device device,
                                         std::shared_ptr<void> owner = nullptr);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  Device device() const { return device_; }
  /// Counts in-place writes; the tape compares it, so that a saved tensor modified later is an
  /// error and not a wrong gradient.
  uint32_t version() const { return version_; }
  void bump_version() { ++version_; }

  /// From now on kernels may keep what they derive from the bytes. The caller promises that these
  /// change only where the version does: in ops and Tensor's own functions, not through raw
  /// pointers.
  void keep_derived();
  bool keeps_derived() const { return derived_ != nullptr; }
  /// make(), kept under `key` until the version changes or the storage goes; make() alone without
  /// keep_derived(). Thread-safe; others wait while make() runs.
  using Derived = std::shared_ptr<const void>;
  Derived derived(const std::vector<int64_t>& key, const std::function<Derived()>& make);

 private:
  struct DerivedValues;
  Storage();

  void* data_ = nullptr;
  size_t bytes_ = 0;
  Device device_;
  uint32_t version_ = 0;
  bool owned_ = false;
  std::shared_ptr<Allocator> pool_;  // that the bytes came from; null: the device's allocator
  std::shared_ptr<void> owner_;
  std::unique_ptr<DerivedValues> derived_;  // null: nothing is kept
};

}  // namespace ito
