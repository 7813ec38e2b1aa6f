#include "tools/run/progress.h"

#include <unistd.h>

#include <cstdio>

#include "engine/core/allocator.h"
#include "engine/core/check.h"

namespace ito::tools {

Progress::Progress() : terminal_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (open_line_) std::fputc('\n', stderr);
}

void Progress::show(const std::string& text) {
  const auto now = Clock::now();
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(10);
  if (last_ != Clock::time_point{} && now - last_ < pause) return;
  last_ = now;
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s", escaped(text).c_str());
    open_line_ = true;
  } else {
    std::fprintf(stderr, "%s\n", escaped(text).c_str());
  }
  std::fflush(stderr);
}

void Progress::line(const std::string& text) {
  std::fprintf(stderr, "%s%s\n", open_line_ ? "\r\033[K" : "", escaped(text).c_str());
  open_line_ = false;
  std::fflush(stderr);
}

std::string duration_text(double seconds) {
  const auto s = static_cast<long>(seconds + 0.5);
  char text[32];
  if (s >= 3600) {
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  } else {
    std::snprintf(text, sizeof text, "%ld:%02ld", s / 60, s % 60);
  }
  return text;
}

std::string bytes_text(int64_t bytes) {
  constexpr double kMiB = 1 << 20, kGiB = 1 << 30;
  const auto b = static_cast<double>(bytes);
  char text[32];
  std::snprintf(text, sizeof text, b < kGiB ? "%.1f MiB" : "%.2f GiB",
                b / (b < kGiB ? kMiB : kGiB));
  return text;
}

std::string peak_memory_text(Device device) {
  return "peak memory " + bytes_text(allocator_of(device).stats().peak_bytes) + " on " +
         to_string(device);
}

}  // namespace ito::tools
