#include "engine/cuda/stream.h"

#include <string>

#include "engine/core/check.h"
#include "engine/cuda/runtime.h"

namespace ito::cuda {
namespace {

/// What this thread has chosen; a device whose stream was not chosen uses its main stream.
struct Choice {
  Device device = kCpu;
  Stream stream = nullptr;
};
thread_local Choice chosen;
thread_local Device captured = kCpu;  // kCpu: none
thread_local int no_sync_depth = 0;

}  // namespace

Stream current_stream(Device device) {
  if (device.kind == DeviceKind::cpu) return nullptr;
  return device == chosen.device ? chosen.stream : runtime_of(device).main_stream();
}

bool is_capturing(Device device) { return device.kind != DeviceKind::cpu && device == captured; }

void synchronize(Device device) {
  if (device.kind == DeviceKind::cpu) return;
  detail::expect_may_wait("synchronisation");
  runtime_of(device).synchronize(current_stream(device));
}

OwnedStream::OwnedStream(Device device) : device_(device) {
  if (device.kind != DeviceKind::cpu) stream_ = runtime_of(device).create_stream();
}
OwnedStream::~OwnedStream() {
  if (stream_ != nullptr) runtime_of(device_).destroy_stream(stream_);
}

Event::Event(Device device) : device_(device) {
  if (device.kind != DeviceKind::cpu) event_ = runtime_of(device).create_event();
}
Event::~Event() {
  if (event_ != nullptr) runtime_of(device_).destroy_event(event_);
}
void Event::record(Stream stream) {
  if (device_.kind != DeviceKind::cpu) runtime_of(device_).record(event_, stream);
}
void Event::make_wait(Stream stream) const {
  if (device_.kind != DeviceKind::cpu) runtime_of(device_).wait(stream, event_);
}
void Event::synchronize() const {
  if (device_.kind == DeviceKind::cpu) return;
  detail::expect_may_wait("waiting for an event");
  runtime_of(device_).synchronize(event_);
}

StreamScope::StreamScope(Device device, Stream stream)
    : previous_device_(chosen.device), previous_stream_(chosen.stream) {
  chosen = {device, stream};
}
StreamScope::~StreamScope() { chosen = {previous_device_, previous_stream_}; }

NoSyncScope::NoSyncScope() { ++no_sync_depth; }
NoSyncScope::~NoSyncScope() { --no_sync_depth; }

namespace detail {

void expect_may_wait(const char* what) {
  ITO_CHECK(no_sync_depth == 0, Error, std::string(what) + " inside a NoSyncScope");
}

void set_capturing(Device device, bool on) { captured = on ? device : kCpu; }

}  // namespace detail

}  // namespace ito::cuda
