// What tests may ask the CUDA emulator, and how they steer it. Needs no kernel header.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ito::gpu::emu {

/// Read at every launch.
struct Config {
  /// 0: threads and blocks run in ascending order. Otherwise a pseudo-random order drawn from it.
  std::uint64_t seed = 0;
  /// Fills dynamic shared memory with 0xFF (a NaN in every float format) before each block. Static
  /// shared memory keeps what the previous block left; reads of it before a write are found by the
  /// race check.
  bool poison = true;
};

/// Counts since the start or the last reset(); launches of all host threads.
struct Stats {
  std::uint64_t launches = 0;  ///< kernels started, the failed ones included
  std::uint64_t switches = 0;  ///< switches between fibers
  std::uint64_t races = 0;     ///< accesses that the race check reported (race build only)
  /// The first of these reports, at most 32: kernel, block, thread, place.
  std::vector<std::string> race_reports;
};

Config& config();  ///< at first environment_config()
/// From ITO_EMU_SEED (default 0) and ITO_EMU_POISON (default 1).
Config environment_config();
const Stats& stats();
void reset();  ///< clears stats()

bool checks_races();      ///< whether this is the race variant
bool checks_addresses();  ///< whether AddressSanitizer watches

}  // namespace ito::gpu::emu
