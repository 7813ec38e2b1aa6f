#include "engine/core/math_mode.h"

#include <atomic>

namespace ito {
namespace {

std::atomic<MathMode> current = MathMode::exact;

}  // namespace

void set_math_mode(MathMode mode) { current.store(mode, std::memory_order_relaxed); }
MathMode math_mode() { return current.load(std::memory_order_relaxed); }

}  // namespace ito
