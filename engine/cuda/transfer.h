// Bytes between the host and a device, in the order of the device's current stream.
#pragma once

#include <cstddef>

#include "engine/core/device.h"

namespace ito::cuda {

/// Copies to the device. Returns as soon as `from` may be changed: the bytes pass through pinned
/// memory of ours. Throws DeviceError while a graph is captured.
void upload(void* to, const void* from, size_t bytes, Device device);
/// Copies to the host and waits for it. Throws Error inside a NoSyncScope.
void download(void* to, const void* from, size_t bytes, Device device);
void copy_on_device(void* to, const void* from, size_t bytes, Device device);
/// Writes `count` times the `width` (1, 2, 4 or 8) bytes at `value`.
void fill(void* to, const void* value, size_t width, size_t count, Device device);

}  // namespace ito::cuda
