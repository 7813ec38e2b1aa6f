#include "kernels/common/library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <mutex>

#include "engine/core/log.h"
#include "engine/core/math_mode.h"
#include "engine/cuda/runtime.h"

namespace ito {
namespace {

std::string variable_or_empty(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? "" : text;
}

/// What is asked of a device once.
const cuda::DeviceInfo& info_of(Device device) {
  static std::mutex mutex;
  static std::deque<std::pair<Device, cuda::DeviceInfo>> known;  // its elements never move
  const std::lock_guard lock(mutex);
  for (const auto& [d, info] : known) {
    if (d == device) return info;
  }
  return known.emplace_back(device, cuda::runtime_of(device).info()).second;
}

}  // namespace

SharedLibrary::SharedLibrary(const char* variable, std::initializer_list<const char*> names) {
  std::vector<std::string> files(names.begin(), names.end());
  const std::string wanted = variable_or_empty(variable);
  if (!wanted.empty()) files = {wanted};
  for (const std::string& file : files) {
    handle_ = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ != nullptr) {
      file_ = file;
      return;
    }
    const char* error = dlerror();
    if (problem_.empty()) problem_ = error == nullptr ? file + " cannot be opened" : error;
  }
}

void* SharedLibrary::address_of(const char* symbol) {
  void* address = handle_ == nullptr ? nullptr : dlsym(handle_, symbol);
  if (address == nullptr && problem_.empty()) problem_ = file_ + " has no function " + symbol;
  return address;
}

bool libraries_allowed(Device device) {
  static const std::string setting = variable_or_empty("ITO_CUDA_LIBRARIES");
  if (device.kind == DeviceKind::emulated) return setting == "emulated";
  if (device.kind != DeviceKind::cuda || setting == "off") return false;
  return setting == "on" || math_mode() == MathMode::fast;
}

LibraryState state_of(const SharedLibrary& library, int version) {
  return {true, std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
                    std::to_string(version % 100) + " (" + library.file() + ")"};
}

void record_missing_library(const std::string& ops, const std::string& library,
                            const std::string& reason) {
  const std::string line = library + " is not used: " + reason;
  record_kernel_choice({ops, "own", line});
  log(LogLevel::info, line + "; our own kernels run instead");
}

int multiprocessors_of(Device device) { return info_of(device).multiprocessors; }
const std::string& device_name_of(Device device) { return info_of(device).name; }

}  // namespace ito
