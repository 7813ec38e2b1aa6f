// What the engine asks of a GPU. Implementations: CUDA (cuda_runtime.cpp), none (no_cuda.cpp), the
// emulated device (emulated_runtime.cpp), on which tests prove everything that is built on this
// interface, and the device without data (meta_runtime.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/core/device.h"
#include "engine/cuda/stream.h"

struct CUevent_st;

namespace ito::cuda {

using EventHandle = CUevent_st*;

struct DeviceInfo {
  std::string name;
  int compute_capability = 0;  ///< 90 stands for 9.0
  int multiprocessors = 0;
  int64_t total_bytes = 0, free_bytes = 0;
};

/// Work recorded by a capture. Destroying it waits for nothing: replay only while it lives.
class Recording {
 public:
  virtual ~Recording() = default;
  virtual void replay(Stream stream) = 0;
  /// Takes over the constants and addresses of `newer` without instantiating again. False if its
  /// work has another structure.
  virtual bool update(const Recording& newer) = 0;
  virtual int64_t nodes() const = 0;  ///< kernels, copies and fills
};

enum class CopyKind { to_device, to_host, on_device };

/// One device. Functions throw what check(Status) throws, except where they are noexcept.
class Runtime {
 public:
  virtual ~Runtime() = default;
  virtual DeviceInfo info() = 0;

  virtual void* allocate(size_t bytes) = 0;  ///< null where the device has no memory left
  virtual void release(void* p) noexcept = 0;
  virtual void* allocate_pinned(size_t bytes) = 0;  ///< host memory that the device can copy from
  virtual void release_pinned(void* p) noexcept = 0;

  virtual Stream main_stream() = 0;
  virtual Stream create_stream() = 0;
  virtual void destroy_stream(Stream stream) noexcept = 0;
  virtual void synchronize(Stream stream) = 0;

  virtual EventHandle create_event() = 0;
  virtual void destroy_event(EventHandle event) noexcept = 0;
  virtual void record(EventHandle event, Stream stream) = 0;
  virtual void wait(Stream stream, EventHandle event) = 0;  ///< `stream` goes on after `event`
  virtual void synchronize(EventHandle event) = 0;

  /// In the order of the stream; host memory must be pinned and stay until the copy is done.
  virtual void copy(void* to, const void* from, size_t bytes, CopyKind kind, Stream stream) = 0;
  /// `count` times the `width` (1, 2, 4 or 8) bytes at `value`.
  virtual void fill(void* to, const void* value, size_t width, size_t count, Stream stream) = 0;

  virtual void begin_capture(Stream stream) = 0;
  /// Throws if something in between made the recording invalid.
  virtual std::unique_ptr<Recording> end_capture(Stream stream) = 0;
  virtual void abandon_capture(Stream stream) noexcept = 0;
};

/// The runtime of any device but the CPU. Throws DeviceError without one.
Runtime& runtime_of(Device device);

int device_count();                ///< usable GPUs; 0 without driver or device
std::string unavailable_reason();  ///< why device_count() is 0
/// Versions as CUDA writes them (13000 = 13.0); 0 where there is none.
struct Versions {
  int driver = 0;   ///< newest CUDA that the installed driver serves
  int runtime = 0;  ///< that this program was built with
};
Versions versions();

namespace detail {

Runtime& cuda_runtime(int index);  ///< cuda_runtime.cpp or no_cuda.cpp
Runtime& emulated_runtime();
Runtime& meta_runtime();

/// The line behind unavailable_reason(): `code` is what counting the devices returned.
std::string explain_unavailable(int code, const char* message, Versions versions);
/// The line for a GPU whose compute capability this program has no code for (90 stands for 9.0).
std::string explain_too_small(int capability, int least);

}  // namespace detail

}  // namespace ito::cuda
