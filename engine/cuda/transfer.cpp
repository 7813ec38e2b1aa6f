#include "engine/cuda/transfer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>

#include "engine/core/check.h"
#include "engine/cuda/runtime.h"
#include "engine/cuda/stream.h"

namespace ito::cuda {
namespace {

/// Pinned blocks in turn. A block is written again only when the copy out of it is done, so that
/// the host runs ahead of the device by a few blocks and no more.
class Staging {
 public:
  explicit Staging(Device device) : device_(device) {
    for (Block& block : blocks_) {
      block.data = runtime_of(device).allocate_pinned(kBytes);
      ITO_CHECK(block.data != nullptr, Error, "no pinned memory", kv("bytes", kBytes));
      block.copied = std::make_unique<Event>(device);
    }
  }

  /// Sends at most kBytes; returns how many.
  size_t send(void* to, const void* from, size_t bytes, bool to_device, Stream stream) {
    Block& block = blocks_[turn_++ % blocks_.size()];
    runtime_of(device_).synchronize(block.copied->handle());
    const size_t part = std::min(bytes, kBytes);
    if (to_device) std::memcpy(block.data, from, part);
    runtime_of(device_).copy(to_device ? to : block.data, to_device ? block.data : from, part,
                             to_device ? CopyKind::to_device : CopyKind::to_host, stream);
    block.copied->record(stream);
    if (!to_device) {
      runtime_of(device_).synchronize(block.copied->handle());
      std::memcpy(to, block.data, part);
    }
    return part;
  }

  std::mutex& mutex() { return mutex_; }

 private:
  static constexpr size_t kBytes = size_t{4} << 20;
  struct Block {
    void* data = nullptr;
    std::unique_ptr<Event> copied;
  };

  const Device device_;
  std::mutex mutex_;
  std::array<Block, 4> blocks_;
  size_t turn_ = 0;
};

Staging& staging_of(Device device) {
  static std::mutex mutex;
  // Never destroyed: the driver may be gone when static objects die.
  static auto& all = *new std::map<std::pair<DeviceKind, int8_t>, Staging>;
  const std::lock_guard lock(mutex);
  return all.try_emplace({device.kind, device.index}, device).first->second;
}

void send_all(void* to, const void* from, size_t bytes, Device device, bool to_device) {
  ITO_CHECK(!is_capturing(device), DeviceError,
            "data cannot move from or to the host while a graph is captured");
  Staging& staging = staging_of(device);
  const std::lock_guard lock(staging.mutex());
  for (size_t done = 0; done < bytes;) {
    done += staging.send(static_cast<char*>(to) + done, static_cast<const char*>(from) + done,
                         bytes - done, to_device, current_stream(device));
  }
}

}  // namespace

void upload(void* to, const void* from, size_t bytes, Device device) {
  send_all(to, from, bytes, device, true);
}

void download(void* to, const void* from, size_t bytes, Device device) {
  detail::expect_may_wait("reading device memory");
  send_all(to, from, bytes, device, false);
}

void copy_on_device(void* to, const void* from, size_t bytes, Device device) {
  runtime_of(device).copy(to, from, bytes, CopyKind::on_device, current_stream(device));
}

void fill(void* to, const void* value, size_t width, size_t count, Device device) {
  runtime_of(device).fill(to, value, width, count, current_stream(device));
}

}  // namespace ito::cuda
