// The emulated device as a Runtime: one stream that runs work at once, graphs that are lists of
// work, and, with ITO_EMU_STRICT=1, memory that only the work of the device can touch, so that a
// host that reads a tensor without a copy crashes here as it would on a GPU.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "engine/core/check.h"
#include "engine/cuda/emulated.h"
#include "engine/cuda/runtime.h"

namespace ito::cuda {
namespace {

bool is_set(const char* variable) {
  const char* text = std::getenv(variable);
  return text != nullptr && std::string_view(text) == "1";
}

int64_t number_from(const char* variable, int64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::atoll(text) : otherwise;
}

/// A range of addresses that is closed unless somebody holds it open. Blocks are never unmapped.
class ClosedMemory {
 public:
  ClosedMemory() {
    void* range =
        mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ITO_CHECK(range != MAP_FAILED, Error, "no address range for the emulated device");
    base_ = static_cast<char*>(range);
  }

  void* allocate(size_t bytes) {
    const std::lock_guard lock(mutex_);
    auto& blocks = free_[bytes];
    if (!blocks.empty()) {
      void* block = blocks.back();
      blocks.pop_back();
      return block;
    }
    const size_t size = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    if (size > kBytes - used_) return nullptr;
    void* block = base_ + used_;
    used_ += size;
    if (holders_ > 0) protect(PROT_READ | PROT_WRITE);
    return block;
  }
  void release(void* block, size_t bytes) {
    const std::lock_guard lock(mutex_);
    free_[bytes].push_back(block);
  }

  void open() {
    const std::lock_guard lock(mutex_);
    if (holders_++ == 0) protect(PROT_READ | PROT_WRITE);
  }
  void close() {
    const std::lock_guard lock(mutex_);
    if (--holders_ == 0) protect(PROT_NONE);
  }

 private:
  static constexpr size_t kBytes = size_t{1} << 36, kAlignment = 256;

  void protect(int access) const {
    if (used_ > 0 && mprotect(base_, used_, access) != 0) std::abort();  // cannot happen: our range
  }

  std::mutex mutex_;
  char* base_;
  size_t used_ = 0;
  int holders_ = 0;
  std::map<size_t, std::vector<void*>> free_;
};

class EmulatedRuntime;
EmulatedRuntime& self();

/// Work in the order in which it was given.
class WorkList final : public Recording {
 public:
  explicit WorkList(std::vector<emulated::Work> work) : work_(std::move(work)) {}
  void replay(Stream) override;
  bool update(const Recording& newer) override {
    const auto& other = static_cast<const WorkList&>(newer);
    if (other.work_.size() != work_.size()) return false;
    work_ = other.work_;
    return true;
  }
  int64_t nodes() const override { return static_cast<int64_t>(work_.size()); }

 private:
  std::vector<emulated::Work> work_;
};

class EmulatedRuntime final : public Runtime {
 public:
  EmulatedRuntime() {
    faults_ = {.memory_bytes = number_from("ITO_EMU_MEMORY", faults_.memory_bytes),
               .fault_at = number_from("ITO_EMU_FAULT_AT", 0)};
    if (is_set("ITO_EMU_STRICT")) closed_ = std::make_unique<ClosedMemory>();
  }

  DeviceInfo info() override {
    const std::lock_guard lock(mutex_);
    return {.name = "CUDA emulator",
            .compute_capability = 90,
            .multiprocessors = 1,
            .total_bytes = faults_.memory_bytes,
            .free_bytes = faults_.memory_bytes - used_};
  }

  void* allocate(size_t bytes) override {
    const std::lock_guard lock(mutex_);
    if (static_cast<int64_t>(bytes) > faults_.memory_bytes - used_) return nullptr;
    void* block = nullptr;
    if (closed_) {
      block = closed_->allocate(bytes);
    } else if (posix_memalign(&block, 256, bytes) != 0) {
      block = nullptr;
    }
    if (block == nullptr) return nullptr;
    sizes_[block] = bytes;
    used_ += static_cast<int64_t>(bytes);
    return block;
  }
  void release(void* p) noexcept override {
    const std::lock_guard lock(mutex_);
    const auto it = sizes_.find(p);
    if (it == sizes_.end()) return;
    used_ -= static_cast<int64_t>(it->second);
    if (closed_) {
      closed_->release(p, it->second);
    } else {
      std::free(p);
    }
    sizes_.erase(it);
  }
  void* allocate_pinned(size_t bytes) override { return std::malloc(bytes); }
  void release_pinned(void* p) noexcept override { std::free(p); }

  Stream main_stream() override { return nullptr; }
  Stream create_stream() override { return nullptr; }
  void destroy_stream(Stream) noexcept override {}
  void synchronize(Stream) override { expect_running(); }

  EventHandle create_event() override { return nullptr; }
  void destroy_event(EventHandle) noexcept override {}
  void record(EventHandle, Stream) override {}
  void wait(Stream, EventHandle) override {}
  void synchronize(EventHandle) override { expect_running(); }

  void copy(void* to, const void* from, size_t bytes, CopyKind kind, Stream) override {
    if (kind != CopyKind::on_device) expect_running();
    check(emulated::submit([=] {
            std::memmove(to, from, bytes);
            return Status{};
          }),
          kEmulated);
  }
  void fill(void* to, const void* value, size_t width, size_t count, Stream) override {
    uint64_t bits = 0;
    std::memcpy(&bits, value, width);
    check(emulated::submit([=] {
            for (size_t i = 0; i < count; ++i) {
              std::memcpy(static_cast<char*>(to) + i * width, &bits, width);
            }
            return Status{};
          }),
          kEmulated);
  }

  void begin_capture(Stream) override {
    ITO_CHECK(emulated::recording == nullptr, DeviceError, "a capture is under way already");
    captured_.clear();
    emulated::recording = &captured_;
  }
  std::unique_ptr<Recording> end_capture(Stream) override {
    emulated::recording = nullptr;
    return std::make_unique<WorkList>(std::move(captured_));
  }
  void abandon_capture(Stream) noexcept override { emulated::recording = nullptr; }

  /// Runs work with the device's memory open; the launch that a test chose fails, and all after it.
  Status run(const emulated::Work& work) {
    {
      const std::lock_guard lock(mutex_);
      if (faults_.fault_at > 0 && ++launches_ >= faults_.fault_at) return kFault;
    }
    if (!closed_) return work();
    closed_->open();
    const struct Closer {
      ClosedMemory& memory;
      ~Closer() { memory.close(); }
    } closer{*closed_};
    return work();
  }

  void set_faults(emulated::Faults faults) {
    const std::lock_guard lock(mutex_);
    faults_ = faults;
    launches_ = 0;
  }

 private:
  static constexpr Status kFault{700, "an illegal memory access was encountered"};

  /// What a wait or a copy from or to the host tells after a fault, and during a capture.
  void expect_running() {
    ITO_CHECK(emulated::recording == nullptr, DeviceError,
              "a capture cannot wait for the device or move data from and to the host");
    const std::lock_guard lock(mutex_);
    if (faults_.fault_at > 0 && launches_ >= faults_.fault_at) check(kFault, kEmulated);
  }

  std::mutex mutex_;
  emulated::Faults faults_;
  int64_t launches_ = 0, used_ = 0;
  std::map<void*, size_t> sizes_;
  std::unique_ptr<ClosedMemory> closed_;
  static thread_local std::vector<emulated::Work> captured_;
};

thread_local std::vector<emulated::Work> EmulatedRuntime::captured_;

EmulatedRuntime& self() {
  static auto& runtime = *new EmulatedRuntime;  // never destroyed, as the allocators
  emulated::run_work = [](const emulated::Work& work) { return self().run(work); };
  return runtime;
}

void WorkList::replay(Stream) {
  for (const emulated::Work& work : work_) check(emulated::submit(work), kEmulated);
}

}  // namespace

namespace detail {

Runtime& emulated_runtime() { return self(); }

}  // namespace detail

namespace emulated {

void run_on_host(const std::function<void()>& work) {
  ITO_CHECK(recording == nullptr, DeviceError, "an op without a kernel cannot be captured");
  check(self().run([&] {
    work();
    return Status{};
  }),
        kEmulated);
}

void set_faults(Faults faults) { self().set_faults(faults); }

}  // namespace emulated

}  // namespace ito::cuda
