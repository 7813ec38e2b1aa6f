// Where a tensor lives.
#pragma once

#include <cstdint>
#include <string>

namespace ito {

/// `emulated` is host memory on which the CUDA kernels run through the emulator (tests,
/// golden_runner); ops without an emulated kernel run their CPU kernel there.
enum class DeviceKind : uint8_t { cpu, emulated, cuda };

struct Device {
  DeviceKind kind = DeviceKind::cpu;
  int8_t index = 0;
  bool operator==(const Device&) const = default;
};

inline constexpr Device kCpu{};
inline constexpr Device kEmulated{DeviceKind::emulated, 0};

constexpr bool is_host_memory(Device d) { return d.kind != DeviceKind::cuda; }
std::string to_string(Device device);  ///< "cpu", "emulated", "cuda:0"

/// True if tensors can be made there in this process: always for the CPU, for `emulated` where the
/// emulated kernels are linked in, for CUDA where a driver and a device answer.
bool is_available(Device device);

}  // namespace ito
