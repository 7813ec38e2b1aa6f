// Fibers: stacks that hand the processor to each other. Used by the emulator only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#if !defined(__x86_64__) && !defined(ITO_EMULATE_UCONTEXT)
#define ITO_EMULATE_UCONTEXT 1
#endif
#ifdef ITO_EMULATE_UCONTEXT
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define ITO_EMULATE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ITO_EMULATE_ASAN 1
#endif
#endif

namespace ito::gpu::emu {

/// One flow of control. A default-constructed fiber stands for the caller of the first switch_to.
struct Fiber {
#ifdef ITO_EMULATE_UCONTEXT
  ucontext_t context{};
#else
  void* stack_pointer = nullptr;
#endif
  const void* stack_low = nullptr;  ///< as AddressSanitizer wants it
  std::size_t stack_bytes = 0;
  void* fake_stack = nullptr;
};

/// Suspends `from` (which is running) and continues `to`. A fiber of a pool starts in its `entry`.
void switch_to(Fiber& from, Fiber& to);

/// Must be the first call of an `entry`: tells AddressSanitizer that the new stack is in use.
void entered_fiber();

/// Stacks in one mapping with a guard page below each; a fiber is made once and then reused.
class FiberPool {
 public:
  FiberPool(std::size_t count, void (*entry)());
  FiberPool(const FiberPool&) = delete;
  FiberPool& operator=(const FiberPool&) = delete;
  ~FiberPool();

  Fiber& acquire();  ///< throws std::bad_alloc when the pool is used up
  void release(Fiber& fiber) { free_.push_back(&fiber); }

  /// Whether an address lies on one of the stacks.
  bool contains(const void* address) const {
    return reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(memory_) <
           capacity_ * kStackBytes;
  }

 private:
  /// Address space only: pages are committed when touched. Room for unoptimised sanitizer builds.
  static constexpr std::size_t kStackBytes = 256 * 1024;

  void (*entry_)();
  std::size_t capacity_;
  char* memory_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> free_;
};

}  // namespace ito::gpu::emu
