#include "kernels/common/onednn.h"

#include <atomic>

#if defined(ITO_HAVE_ONEDNN)
#include <dlfcn.h>

#include "kernels/common/onednn_call.h"
#endif

namespace ito {
namespace {

std::atomic<int> portable_scopes = 0;

}  // namespace

PortableKernelsScope::PortableKernelsScope() { portable_scopes.fetch_add(1); }
PortableKernelsScope::~PortableKernelsScope() { portable_scopes.fetch_sub(1); }
bool PortableKernelsScope::active() { return portable_scopes.load(std::memory_order_relaxed) > 0; }

#if defined(ITO_HAVE_ONEDNN)

bool onednn_available() { return true; }

namespace onednn {
namespace {

/// The OpenMP runtime that oneDNN was built with; null where it uses none.
struct OpenMp {
  int (*max_threads)();
  void (*set_threads)(int);
};

const OpenMp& open_mp() {
  static const OpenMp functions = {
      reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_max_threads")),
      reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"))};
  return functions;
}

bool has_open_mp() { return open_mp().max_threads != nullptr && open_mp().set_threads != nullptr; }

}  // namespace

OneThread::OneThread() : before_(has_open_mp() ? open_mp().max_threads() : 1) {
  if (before_ != 1) open_mp().set_threads(1);
}
OneThread::~OneThread() {
  if (before_ != 1) open_mp().set_threads(before_);
}

const dnnl::engine& engine() {
  // Never destroyed: cached primitives may outlive any destructor order.
  static const auto* engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *engine;
}

dnnl::stream& stream() {
  static thread_local dnnl::stream stream(engine());
  return stream;
}

}  // namespace onednn

#else

bool onednn_available() { return false; }

#endif

}  // namespace ito
