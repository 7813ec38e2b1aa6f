// What fuzz targets share: an input as a file in memory, and what a reader may throw.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>

#include "engine/core/check.h"

namespace ito::fuzz {

using Input = std::span<const uint8_t>;

/// A file that holds the input, for readers that take paths. It lies in memory.
class MemoryFile {
 public:
  explicit MemoryFile(Input input) : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    if (descriptor_ < 0) std::abort();
    for (size_t at = 0; at < input.size();) {
      const ssize_t n = ::write(descriptor_, input.data() + at, input.size() - at);
      if (n <= 0) std::abort();
      at += static_cast<size_t>(n);
    }
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

/// Runs `read`, which may refuse its input with one line that a user can mend, about the input.
/// Everything else that it throws is a fault, and ends the process.
template <class F>
int attempt(F read) {
  try {
    read();
  } catch (const UserError& e) {
    const int kind = exit_code_of(e.code());
    const bool about_the_input = kind == 2 || kind == 3;
    const std::string line = e.what();
    if (about_the_input && line.find('\n') == std::string::npos && !e.fix().empty()) return 0;
    std::fprintf(stderr, "refused in a way that does not fit: E%d %s\n", int(e.code()), e.what());
    std::abort();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "no error of a user: %s\n", e.what());
    std::abort();
  }
  return 0;
}

}  // namespace ito::fuzz

#define ITO_FUZZ_TARGET(input)                                              \
  static void one_input(::ito::fuzz::Input input);                          \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { \
    return ::ito::fuzz::attempt([&] { one_input({data, size}); });          \
  }                                                                         \
  static void one_input(::ito::fuzz::Input input)
