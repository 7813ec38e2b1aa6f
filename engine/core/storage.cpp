#include "engine/core/storage.h"

#include "engine/core/allocator.h"

namespace ito {

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

Storage::~Storage() {
  if (owned_) (pool_ ? *pool_ : allocator_of(device_)).release(data_, bytes_);
}

}  // namespace ito
