#include "engine/core/storage.h"

#include <map>
#include <mutex>

#include "engine/core/allocator.h"

namespace ito {

/// What kernels derived from one version of the bytes.
struct Storage::DerivedValues {
  std::mutex mutex;
  uint32_t version = 0;
  std::map<std::vector<int64_t>, Derived> by_key;
};

Storage::Storage() = default;

std::shared_ptr<Storage> Storage::allocate(size_t bytes, Device device) {
  auto storage = std::shared_ptr<Storage>(new Storage);
  storage->pool_ = PoolScope::current(device);
  storage->data_ = (storage->pool_ ? *storage->pool_ : allocator_of(device)).allocate(bytes);
  storage->bytes_ = bytes;
  storage->device_ = device;
  storage->owned_ = true;
  return storage;
}

std::shared_ptr<Storage> Storage::borrow(void* data, size_t bytes, Device device,
                                         std::shared_ptr<void> owner) {
  auto storage = std::shared_ptr<Storage>(new Storage);
  storage->data_ = data;
  storage->bytes_ = bytes;
  storage->device_ = device;
  storage->owner_ = std::move(owner);
  return storage;
}

void Storage::keep_derived() {
  if (!derived_) derived_ = std::make_unique<DerivedValues>();
}

Storage::Derived Storage::derived(const std::vector<int64_t>& key,
                                  const std::function<Derived()>& make) {
  if (!derived_) return make();
  DerivedValues& d = *derived_;
  const std::lock_guard lock(d.mutex);
  if (d.version != version_) d.by_key.clear();
  d.version = version_;
  const auto found = d.by_key.find(key);
  return found != d.by_key.end() ? found->second : d.by_key.emplace(key, make()).first->second;
}

Storage::~Storage() {
  if (owned_) (pool_ ? *pool_ : allocator_of(device_)).release(data_, bytes_);
}

}  // namespace ito
