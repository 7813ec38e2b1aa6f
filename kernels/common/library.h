// Vendor libraries of GPU kernels: opened at run time, used where they are there, never required.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "engine/core/device.h"
#include "engine/core/kernel_choice.h"

namespace ito {

/// A shared library and the functions taken from it. Stays open as long as the process.
class SharedLibrary {
 public:
  /// Opens the file that environment variable `variable` names; where it is unset or empty, the
  /// first of `names` that the loader finds.
  SharedLibrary(const char* variable, std::initializer_list<const char*> names);

  /// Sets `function` to the symbol; one that is missing makes the library unusable.
  template <class F>
  void take(F*& function, const char* symbol) {
    function = reinterpret_cast<F*>(address_of(symbol));
  }
  bool usable() const { return problem_.empty(); }
  const std::string& problem() const { return problem_; }  ///< one line; empty if usable
  const std::string& file() const { return file_; }
  void reject(std::string problem) { problem_ = std::move(problem); }

 private:
  void* address_of(const char* symbol);

  std::string file_, problem_;
  void* handle_ = nullptr;
};

/// Whether libraries may serve `device`: a GPU in MathMode::fast, since their algorithms, and so
/// the last bits of an image, depend on the batch around it. ITO_CUDA_LIBRARIES=on or off overrides
/// the mode; =emulated lets a stand-in that computes on the host serve the emulated device.
bool libraries_allowed(Device device);

/// What became of a library: its version and file, or the reason why it is not used.
struct LibraryState {
  bool usable = false;
  std::string text;
};
/// `version` as both vendors count it: 10000 major + 100 minor + patch.
LibraryState state_of(const SharedLibrary& library, int version);

/// Notes once that `ops` run our own kernels since `library` is missing, and logs the reason.
void record_missing_library(const std::string& ops, const std::string& library,
                            const std::string& reason);

/// Multiprocessors of a GPU, and its name; asked for once.
int multiprocessors_of(Device device);
const std::string& device_name_of(Device device);

}  // namespace ito
