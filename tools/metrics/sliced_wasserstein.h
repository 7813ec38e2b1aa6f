// The sliced Wasserstein distance.
#pragma once

#include <cstdint>
#include <span>

#include "engine/core/tensor.h"

namespace ito::metrics {

/// Unit vectors [count, dim] f64, uniform on the sphere: normals of (seed, Purpose::probe, vector,
/// element), normalised. Vector i does not depend on count.
Tensor random_directions(int64_t count, int64_t dim, uint64_t seed);

/// The squared Wasserstein-2 distance of two sets of numbers, each sorted in ascending order:
/// the integral over u in [0, 1] of (Fa^-1(u) - Fb^-1(u))^2. The sets may have different sizes.
/// Throws ShapeError for an empty set.
double squared_wasserstein(std::span<const double> a, std::span<const double> b);

/// (mean over directions of W2^2 between the projections)^(1/2) (Rabin et al. 2011; Bonneel et al.
/// 2015) of rows x [N, ...] and y [M, ...] onto directions [P, d]. Throws ShapeError.
double sliced_wasserstein(const Tensor& x, const Tensor& y, const Tensor& directions);

}  // namespace ito::metrics
