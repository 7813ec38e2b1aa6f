// Distances between sets of points that are means over pairs: energy distance and MMD.
#pragma once

#include "engine/core/tensor.h"

namespace ito::metrics {

/// 2 E|X - Y| - E|X - X'| - E|Y - Y'| for rows of x [N, ...] and y [M, ...] (Szekely & Rizzo 2013).
/// Pairs of different rows alone count within a set, so the estimate is unbiased: around 0 for
/// equal distributions, and below it at times. N^2 + N M + M^2 distances of d terms in fp64. Throws
/// ShapeError for rows of different sizes or fewer than two rows.
double energy_distance(const Tensor& x, const Tensor& y);

/// Unbiased MMD^2 with the kernel exp(-|x - y|^2 / (2 h^2)) (Gretton et al. 2012, eq. (3)).
/// Throws as above, and ValueError unless h > 0.
double gaussian_mmd(const Tensor& x, const Tensor& y, double bandwidth);

/// The median distance between two of the first `most` rows: the usual bandwidth.
double median_distance(const Tensor& x, int64_t most = 500);

}  // namespace ito::metrics
