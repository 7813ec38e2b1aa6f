// The only header that kernel sources include for device matters. nvcc compiles it to CUDA; g++
// with -DITO_EMULATE=1 compiles it to the emulator, which runs each CUDA thread as a fiber.
//
// Rules for kernel code
//  - Declare with KERNEL(threads), helpers with DEV; start with gpu::launch, never with <<<>>>.
//  - No inline PTX, no intrinsics and no CUDA header outside gpu_cuda.h; no CUB inside a kernel.
//  - Dynamic shared memory through dyn_smem<T>() (128-byte aligned), static through __shared__. At
//    the start of a block both hold garbage.
//  - Only full-mask *_sync forms, by all 32 lanes; blocks that use them hold a multiple of 32
//    threads. A shuffle orders no memory: put __syncwarp() between a write and a read by others.
//  - Every thread reaches every __syncthreads(): no early return before a barrier.
//  - No lock-step assumption, no float atomics; reductions have a fixed order. What another block
//    of the launch wrote is read only after an integer atomic and __threadfence() on both sides.
//  - Every cp_async16 is followed by cp_commit and cp_wait before the thread ends.
//  - 64-bit offsets for the base of an image, 32-bit ones inside it.
//  - Errors only through the Status of launch. Kernels and their host entry points live in
//    namespace ito::ITO_GPU_NS (cuda or emulated), so that both builds fit into one program.
#pragma once

#include "kernels/common/gpu_types.h"

#if defined(__CUDACC__)
#ifndef ITO_GPU_NS
#define ITO_GPU_NS cuda
#endif
#include "kernels/common/gpu_cuda.h"
#elif defined(ITO_EMULATE)
#ifndef ITO_GPU_NS
#define ITO_GPU_NS emulated
#endif
#include "kernels/common/gpu_emulated.h"
#else
#error "kernel sources are compiled by nvcc, or by g++ with -DITO_EMULATE=1 (ItoCuda.cmake)"
#endif

#include "kernels/common/gpu_collectives.h"
