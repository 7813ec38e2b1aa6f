// Streams, events, and the proof that a piece of code waits for nothing.
#pragma once

#include "engine/core/device.h"

struct CUstream_st;  // the type behind cudaStream_t
struct CUevent_st;

namespace ito::cuda {

using Stream = CUstream_st*;

/// The stream that this thread's ops use on `device`; null on the CPU. Memory of the allocator
/// belongs to the main stream: work elsewhere on a tensor must be waited for before it dies.
Stream current_stream(Device device);
/// Whether work that this thread gives to `device` is recorded into a graph and not run.
bool is_capturing(Device device);
/// Waits until all work on this thread's stream of `device` is done. Throws Error inside a
/// NoSyncScope, UserError(device_fault) if a kernel failed. Does nothing on the CPU.
void synchronize(Device device);

/// A further stream of a device. On the CPU an empty one.
class OwnedStream {
 public:
  explicit OwnedStream(Device device);
  ~OwnedStream();
  OwnedStream(const OwnedStream&) = delete;
  OwnedStream& operator=(const OwnedStream&) = delete;
  Stream get() const { return stream_; }

 private:
  Device device_;
  Stream stream_ = nullptr;
};

/// A point in a stream's work that another stream, or the host, can wait for.
class Event {
 public:
  explicit Event(Device device);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void record(Stream stream);
  void make_wait(Stream stream) const;  ///< later work of `stream` starts after this point
  void synchronize() const;             ///< the host waits; throws Error inside a NoSyncScope
  CUevent_st* handle() const { return event_; }

 private:
  Device device_;
  CUevent_st* event_ = nullptr;
};

/// While one is alive, this thread's ops on `device` use `stream`.
class StreamScope {
 public:
  StreamScope(Device device, Stream stream);
  ~StreamScope();
  StreamScope(const StreamScope&) = delete;
  StreamScope& operator=(const StreamScope&) = delete;

 private:
  Device previous_device_;
  Stream previous_stream_;
};

/// While one is alive on this thread, waiting for a device and reading its memory throw: proves
/// that a hot loop keeps the device busy.
class NoSyncScope {
 public:
  NoSyncScope();
  ~NoSyncScope();
  NoSyncScope(const NoSyncScope&) = delete;
  NoSyncScope& operator=(const NoSyncScope&) = delete;
};

namespace detail {

/// Throws Error inside a NoSyncScope; `what` is what would wait.
void expect_may_wait(const char* what);
/// Set by Graph around a capture.
void set_capturing(Device device, bool on);

}  // namespace detail

}  // namespace ito::cuda
