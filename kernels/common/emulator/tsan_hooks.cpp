// The functions that -fsanitize=thread makes compiled code call, leading to the race check instead
// of the ThreadSanitizer runtime, which is not linked.
#include <cstddef>
#include <cstdint>

#include "kernels/common/emulator/race.h"

namespace race = ito::gpu::emu::race;

#define ITO_TSAN_ACCESS(size)                                                 \
  void __tsan_read##size(void* p) { race::read(p, size); }                    \
  void __tsan_write##size(void* p) { race::write(p, size); }                  \
  void __tsan_unaligned_read##size(void* p) { race::read(p, size); }          \
  void __tsan_unaligned_write##size(void* p) { race::write(p, size); }        \
  void __tsan_volatile_read##size(void* p) { race::read(p, size); }           \
  void __tsan_volatile_write##size(void* p) { race::write(p, size); }         \
  void __tsan_unaligned_volatile_read##size(void* p) { race::read(p, size); } \
  void __tsan_unaligned_volatile_write##size(void* p) { race::write(p, size); }

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_read(void**) {}
void __tsan_vptr_update(void**, void*) {}

ITO_TSAN_ACCESS(1)
ITO_TSAN_ACCESS(2)
ITO_TSAN_ACCESS(4)
ITO_TSAN_ACCESS(8)
ITO_TSAN_ACCESS(16)

void __tsan_read_range(void* p, std::size_t bytes) { race::read(p, bytes); }
void __tsan_write_range(void* p, std::size_t bytes) { race::write(p, bytes); }

}  // extern "C"
