// SIGINT and SIGTERM: the first asks the running loop to finish its step and save; the second ends
// the process with exit code 130.
#pragma once

namespace ito::tools {

void install_interrupt_handlers();
bool interrupted();

inline constexpr int kExitPreempted = 75;  ///< stopped early, saved, safe to resume

}  // namespace ito::tools
