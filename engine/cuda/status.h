// What a call to a device returns, and what its error codes mean for a program.
#pragma once

#include "engine/core/device.h"

namespace ito::cuda {

/// `code` is a cudaError_t number, 0 for success; `message` lives until the next call at least.
struct Status {
  int code = 0;
  const char* message = "";
  bool ok() const { return code == 0; }
};

/// What kind of failure a cudaError_t number stands for.
enum class Failure {
  none,
  out_of_memory,  ///< memory of the device
  unavailable,    ///< no device, no driver, or one that is too old
  device_fault,   ///< sticky: the context is lost, every later call fails as well
  misuse,         ///< a wrong launch or argument: a bug of ours
};
Failure classify(int code);

/// Throws for a failed status: UserError with out_of_memory, device_unavailable or device_fault,
/// DeviceError for misuse. A fault may come from earlier work on the device, since launches are
/// asynchronous; ITO_CUDA_SYNC=1 waits after each op and so names the right one.
void check(const Status& status, Device device);

/// Whether ITO_CUDA_SYNC=1 was set when the process started.
bool waits_after_each_op();

}  // namespace ito::cuda
