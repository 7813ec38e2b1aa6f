#include "engine/cuda/status.h"

#include <cstdlib>
#include <string>

#include "engine/core/check.h"

namespace ito::cuda {

Failure classify(int code) {
  switch (code) {  // numbers of cudaError_t
    case 0:
      return Failure::none;
    case 2:  // memory allocation
      return Failure::out_of_memory;
    case 3:    // initialization error
    case 34:   // stub library
    case 35:   // insufficient driver
    case 36:   // call requires a newer driver
    case 46:   // devices unavailable
    case 100:  // no device
    case 101:  // invalid device
    case 209:  // no kernel image for the device
    case 222:  // PTX needs a newer driver
    case 802:  // system not ready
    case 803:  // system driver mismatch
    case 804:  // no forward compatibility on this device
      return Failure::unavailable;
    case 214:  // ECC error
    case 220:  // NVLink error
    case 226:  // contained memory error
    case 700:  // illegal address
    case 702:  // launch timeout
    case 710:  // device-side assertion
    case 714:  // hardware stack
    case 715:  // illegal instruction
    case 716:  // misaligned address
    case 717:  // invalid address space
    case 718:  // invalid program counter
    case 719:  // launch failure
    case 721:  // tensor memory leak
    case 999:  // unknown
      return Failure::device_fault;
    default:
      return Failure::misuse;
  }
}

void check(const Status& status, Device device) {
  const std::string fact =
      std::string(status.message) + " (CUDA error " + std::to_string(status.code) + ")";
  switch (classify(status.code)) {
    case Failure::none:
      return;
    case Failure::out_of_memory:
      fail(ErrorCode::out_of_memory, to_string(device), fact,
           "use a smaller batch, or free memory of the device");
    case Failure::unavailable:
      fail(ErrorCode::device_unavailable, to_string(device), fact, "use --device cpu");
    case Failure::device_fault:
      fail(ErrorCode::device_fault, to_string(device), fact,
           waits_after_each_op() ? "start again; if it recurs, please report it with this line"
                                 : "start again with ITO_CUDA_SYNC=1, which names the op at fault");
    case Failure::misuse:
      throw DeviceError(detail::rule_text(status.message, kv("code", status.code)));
  }
}

bool waits_after_each_op() {
  static const bool waits = [] {
    const char* text = std::getenv("ITO_CUDA_SYNC");
    return text != nullptr && std::string_view(text) == "1";
  }();
  return waits;
}

}  // namespace ito::cuda
