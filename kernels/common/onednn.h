// Whether kernels may call oneDNN. The library itself appears only in kernels/common/onednn_call.h
// and the *_onednn.cpp files.
#pragma once

namespace ito {

/// Whether this build has oneDNN.
bool onednn_available();

/// While one is alive, anywhere in the process, kernels take the portable path. For tests.
class PortableKernelsScope {
 public:
  PortableKernelsScope();
  ~PortableKernelsScope();
  PortableKernelsScope(const PortableKernelsScope&) = delete;
  PortableKernelsScope& operator=(const PortableKernelsScope&) = delete;
  static bool active();
};

}  // namespace ito
