#include "engine/core/log.h"

#include <mutex>

namespace ito {
namespace {
std::mutex mutex;
LogSink current;
}  // namespace

void set_log_sink(LogSink sink) {
  const std::lock_guard lock(mutex);
  current = std::move(sink);
}

void log(LogLevel level, std::string_view message) {
  const std::lock_guard lock(mutex);
  if (current) current(level, message);
}

}  // namespace ito
