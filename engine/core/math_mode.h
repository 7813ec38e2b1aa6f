// How much freedom algorithms have.
#pragma once

#include <cstdint>

namespace ito {

enum class MathMode : uint8_t {
  /// Fixed algorithms: a result depends neither on the batch around it nor on the number of threads
  /// nor on timing.
  exact,
  /// Vendor libraries and algorithms chosen by timing are allowed as well. Still deterministic for
  /// one shape on one machine.
  fast,
};

/// Of the whole process; `exact` at first. Set it before the first op runs.
void set_math_mode(MathMode mode);
MathMode math_mode();

}  // namespace ito
