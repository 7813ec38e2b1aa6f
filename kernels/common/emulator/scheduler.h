// What machine.cpp shows to the other files of the emulator.
#pragma once

#include "kernels/common/emulator/machine.h"

namespace ito::gpu::emu {

/// Whether an address lies on a stack that kernel threads run on.
bool on_kernel_stack(const void* address);

/// Adds to stats().races, with "kernel k, block (..), thread (..): text" while there is room.
void report_race(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace ito::gpu::emu
