// Progress on standard error: one line that renews itself on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "engine/core/device.h"

namespace ito::tools {

class Progress {
 public:
  Progress();
  ~Progress();
  /// Shows `text`; on a terminal at most ten times a second, elsewhere at most once in `seconds`.
  void show(const std::string& text);
  /// Shows `text` as a line of its own, at once.
  void line(const std::string& text);

 private:
  using Clock = std::chrono::steady_clock;
  bool terminal_;
  bool open_line_ = false;
  Clock::time_point last_{};
};

/// "1:02:03" or "2:03".
std::string duration_text(double seconds);
/// "512.0 MiB" or "1.50 GiB".
std::string bytes_text(int64_t bytes);
/// "peak memory 1.50 GiB on cpu": the most that the device's allocator had handed out at once.
std::string peak_memory_text(Device device);

}  // namespace ito::tools
