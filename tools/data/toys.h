// Built-in distributions of points in the plane, scaled to a mean variance of one per axis.
#pragma once

#include <cstdint>
#include <string_view>

#include "tools/data/dataset.h"

namespace ito::data {

/// Draws `count` points of a named toy distribution; point i is a function of (seed, i) alone:
/// - "swiss_roll": one noisy spiral, r = angle;
/// - "two_moons": two interleaved half circles (2 classes);
/// - "checkerboard": uniform on the 8 dark squares of a 4 x 4 board;
/// - "gaussians8": eight round Gaussians on a circle (8 classes);
/// - "pinwheel": five bent arms (5 classes);
/// - "spiral": two spiral arms (2 classes).
/// Throws ValueError for another name.
Dataset::Content make_toy(std::string_view name, uint64_t seed, int count);

}  // namespace ito::data
