// The device without data as a Runtime: addresses that nobody may use, work that is not done.
#include <atomic>

#include "engine/core/check.h"
#include "engine/cuda/runtime.h"

namespace ito::cuda {
namespace {

class MetaRecording final : public Recording {
 public:
  void replay(Stream) override {}
  bool update(const Recording&) override { return true; }
  int64_t nodes() const override { return 0; }
};

class MetaRuntime final : public Runtime {
 public:
  DeviceInfo info() override { return {.name = "shapes without data"}; }

  void* allocate(size_t bytes) override {
    const size_t size = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    return reinterpret_cast<void*>(next_.fetch_add(size));
  }
  void release(void*) noexcept override {}
  void* allocate_pinned(size_t bytes) override { return allocate(bytes); }
  void release_pinned(void*) noexcept override {}

  Stream main_stream() override { return nullptr; }
  Stream create_stream() override { return nullptr; }
  void destroy_stream(Stream) noexcept override {}
  void synchronize(Stream) override {}

  EventHandle create_event() override { return nullptr; }
  void destroy_event(EventHandle) noexcept override {}
  void record(EventHandle, Stream) override {}
  void wait(Stream, EventHandle) override {}
  void synchronize(EventHandle) override {}

  void copy(void*, const void*, size_t, CopyKind kind, Stream) override {
    ITO_CHECK(kind != CopyKind::to_host, InternalError, "the device meta has no data to read");
  }
  void fill(void*, const void*, size_t, size_t, Stream) override {}

  void begin_capture(Stream) override {}
  std::unique_ptr<Recording> end_capture(Stream) override {
    return std::make_unique<MetaRecording>();
  }
  void abandon_capture(Stream) noexcept override {}

 private:
  static constexpr size_t kAlignment = 64;
  // Addresses that no x86-64 or ARM program can have: whoever uses one is stopped.
  std::atomic<uintptr_t> next_{uintptr_t{1} << 60};
};

}  // namespace

namespace detail {

Runtime& meta_runtime() {
  static auto& runtime = *new MetaRuntime;
  return runtime;
}

}  // namespace detail

}  // namespace ito::cuda
