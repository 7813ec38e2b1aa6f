// The kernel Inception distance.
#pragma once

#include <cstdint>

#include "engine/core/tensor.h"

namespace ito::metrics {

struct KernelDistance {
  double mean = 0;                ///< over blocks; below 0 at times, for it is unbiased
  double standard_deviation = 0;  ///< over blocks; 0 for one block
  int64_t blocks = 0, block_size = 0;
};

/// The unbiased estimate of MMD^2 with the kernel k(a, b) = (a.b / d + 1)^3 between features a
/// [N, d] and b [M, d] (Binkowski et al. 2018, "Demystifying MMD GANs", eq. (4) and section 3.4):
/// the mean over disjoint blocks of at most `block` rows of each, taken in an order drawn by
/// `seed`. Throws ShapeError for different widths or fewer than two rows.
KernelDistance kernel_distance(const Tensor& a, const Tensor& b, uint64_t seed = 0,
                               int64_t block = 1000);

}  // namespace ito::metrics
