// Progress on standard error: one line that renews itself on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <string>

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

}  // namespace ito::tools
