// Distances within and between sets of images, in memory that does not grow with the sets.
#pragma once

#include "engine/core/tensor.h"

namespace ito {

/// max over i, j of ||x_i - x_j||_2 over the rows of x [N, ...], f32 or bf16 (f64 on the CPU), on
/// x's device. Technique 1 of Song & Ermon 2020 ("Improved techniques for training score-based
/// generative models") takes it as sigma_max. At most 4096 x 4096 distances exist at a time, and
/// the host waits once, at the end. 0 for one row; NaN if a distance is NaN.
/// Throws ShapeError for no rows, DTypeError.
double largest_distance(const Tensor& x);

/// The nearest row of `data` for each query.
struct Neighbours {
  Tensor index;     ///< i64 [M]; the lowest of several equally near
  Tensor distance;  ///< [M], L2; f32 (f64 for f64 inputs)
};

/// Nearest neighbours (L2) of queries [M, ...] among data [N, ...], whose rows have one shape. Both
/// are on one device, on which the work is done and the result lies; the host waits once per 4096
/// queries. Memory as above. A NaN distance counts as the smallest.
/// Throws ShapeError (other rows; no data but queries), DTypeError, DeviceError.
Neighbours nearest_neighbours(const Tensor& queries, const Tensor& data);

}  // namespace ito
