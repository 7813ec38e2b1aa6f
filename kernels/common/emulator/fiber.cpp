#include "kernels/common/emulator/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <new>

#ifdef ITO_EMULATE_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace ito::gpu::emu {
namespace {

#ifdef ITO_EMULATE_ASAN

Fiber* switched_from = nullptr;  // by the switch under way; its stack is learnt after the switch

void before_switch(Fiber& from, const Fiber& to) {
  switched_from = &from;
  __sanitizer_start_switch_fiber(&from.fake_stack, to.stack_low, to.stack_bytes);
}

void after_switch(void* fake_stack) {
  __sanitizer_finish_switch_fiber(fake_stack, &switched_from->stack_low,
                                  &switched_from->stack_bytes);
}

#else

void before_switch(Fiber&, const Fiber&) {}
void after_switch(void*) {}

#endif

}  // namespace

#ifdef ITO_EMULATE_UCONTEXT

namespace {

void prepare(Fiber& fiber, char* low, std::size_t bytes, void (*entry)()) {
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = low;
  fiber.context.uc_stack.ss_size = bytes;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, entry, 0);
}

void switch_stack(Fiber& from, Fiber& to) { swapcontext(&from.context, &to.context); }

}  // namespace

#else

// Saves what the System V ABI asks a function to preserve, and changes stacks. The floating-point
// control words are the same everywhere, so they are not saved.
extern "C" void ito_emulator_switch(void** save, void* load);
asm(R"(
.text
.globl ito_emulator_switch
.hidden ito_emulator_switch
.type ito_emulator_switch, @function
ito_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size ito_emulator_switch, .-ito_emulator_switch
)");

namespace {

void prepare(Fiber& fiber, char* low, std::size_t bytes, void (*entry)()) {
  // Tops at different offsets inside a page: equal ones would all fall into the same cache sets.
  static unsigned colour = 0;
  const std::size_t offset = (colour++ % 64) * 64;
  constexpr int kSavedRegisters = 6;
  void** top = reinterpret_cast<void**>(low + bytes - offset);
  // The return address of entry: ends every stack trace, and aligns the stack as a call would.
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < kSavedRegisters; ++i) *--top = nullptr;
  fiber.stack_pointer = top;
}

void switch_stack(Fiber& from, Fiber& to) {
  ito_emulator_switch(&from.stack_pointer, to.stack_pointer);
}

}  // namespace

#endif

void switch_to(Fiber& from, Fiber& to) {
  before_switch(from, to);
  switch_stack(from, to);
  after_switch(from.fake_stack);
}

void entered_fiber() { after_switch(nullptr); }

FiberPool::FiberPool(std::size_t count, void (*entry)()) : entry_(entry), capacity_(count) {
  void* memory = mmap(nullptr, count * kStackBytes, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<char*>(memory);
}

FiberPool::~FiberPool() { munmap(memory_, capacity_ * kStackBytes); }

Fiber& FiberPool::acquire() {
  if (free_.empty()) {
    if (fibers_.size() == capacity_) throw std::bad_alloc();
    const auto guard = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    char* low = memory_ + fibers_.size() * kStackBytes + guard;
    const std::size_t bytes = kStackBytes - guard;
    if (mprotect(low, bytes, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    fibers_.push_back(std::make_unique<Fiber>());
    Fiber& fiber = *fibers_.back();
    fiber.stack_low = low;
    fiber.stack_bytes = bytes;
    prepare(fiber, low, bytes, entry_);
    return fiber;
  }
  Fiber& fiber = *free_.back();
  free_.pop_back();
  return fiber;
}

}  // namespace ito::gpu::emu
