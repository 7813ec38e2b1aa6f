// Where the library's few messages go. Silent unless a program sets a sink.
#pragma once

#include <functional>
#include <string_view>

namespace ito {

enum class LogLevel { info, warning, error };
using LogSink = std::function<void(LogLevel, std::string_view)>;

void set_log_sink(LogSink sink);  ///< an empty sink silences the library
void log(LogLevel level, std::string_view message);

}  // namespace ito
