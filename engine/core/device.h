// Where a tensor lives.
#pragma once

#include <cstdint>
#include <string>

namespace ito {

/// `emulated` is a device on which the CUDA kernels run through the emulator (tests,
/// golden_runner); ops without an emulated kernel run their CPU kernel there. Treat its memory as
/// that of a GPU: with ITO_EMU_STRICT=1 only kernels can touch it. `meta` tensors have shapes and
/// no data: ops there check, allocate from an allocator that only counts, and record, but compute
/// nothing; what a pass of any size needs can be asked for without the memory for it.
enum class DeviceKind : uint8_t { cpu, emulated, cuda, meta };

struct Device {
  DeviceKind kind = DeviceKind::cpu;
  int8_t index = 0;
  bool operator==(const Device&) const = default;
};

inline constexpr Device kCpu{};
inline constexpr Device kEmulated{DeviceKind::emulated, 0};
inline constexpr Device kMeta{DeviceKind::meta, 0};

/// Whether any code of the process may read and write a tensor's data there.
constexpr bool is_host_memory(Device d) { return d.kind == DeviceKind::cpu; }
std::string to_string(Device device);  ///< "cpu", "emulated", "cuda:0", "meta"

/// True if tensors can be made there in this process: always for the CPU and `meta`, for `emulated` where the
/// emulated kernels are linked in, for CUDA where a driver and a device answer.
bool is_available(Device device);

}  // namespace ito
