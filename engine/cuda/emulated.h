// The emulated device's queue: every launch under the emulator passes through submit(). Header
// only, so that the emulator needs nothing of the engine's library.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "engine/cuda/status.h"

namespace ito::cuda::emulated {

using Work = std::function<Status()>;

/// Whether kernels for the emulator are linked into this program; they say so themselves.
inline bool has_kernels = false;

/// Where this thread's work is collected while a graph is captured; null: it runs at once.
inline thread_local std::vector<Work>* recording = nullptr;

/// How work is run: the engine's emulated runtime opens the device's memory and injects faults.
/// Null in programs that have the emulator alone.
inline Status (*run_work)(const Work& work) = nullptr;

inline Status submit(Work work) {
  if (recording != nullptr) {
    recording->push_back(std::move(work));
    return {};
  }
  return run_work != nullptr ? run_work(work) : work();
}

/// Lets code of the host use the emulated device's memory: the fallback of an op that has no
/// kernel. Throws DeviceError while a graph is captured.
void run_on_host(const std::function<void()>& work);

/// Faults that tests inject; at first from ITO_EMU_MEMORY (bytes that the device has) and
/// ITO_EMU_FAULT_AT (the number, from 1, of the launch that fails and loses the device).
struct Faults {
  int64_t memory_bytes = int64_t{1} << 40;
  int64_t fault_at = 0;  ///< 0: never
};
void set_faults(Faults faults);  ///< also forgets an earlier fault

}  // namespace ito::cuda::emulated
