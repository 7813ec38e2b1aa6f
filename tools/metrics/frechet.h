// The Frechet distance between two sets of features.
#pragma once

#include <vector>

#include "engine/core/tensor.h"

namespace ito::metrics {

/// Mean and covariance of features.
struct FeatureStatistics {
  int64_t count = 0;               ///< rows they were made of; 0 if not known
  std::vector<double> mean;        ///< [d]
  std::vector<double> covariance;  ///< [d, d], divided by count - 1
  int64_t dim() const { return static_cast<int64_t>(mean.size()); }
};

/// Of features [N, d], f32 or f64. Throws ShapeError for fewer than two rows.
FeatureStatistics statistics_of(const Tensor& features);

/// |mu1 - mu2|^2 + Tr(S1 + S2 - 2 (S1 S2)^(1/2)): the squared Wasserstein-2 distance between the
/// two Gaussians (Dowson & Landau 1982), with Inception features the FID of Heusel et al. 2017,
/// eq. (6). The trace of the root is the sum of the roots of the eigenvalues of
/// S1^(1/2) S2 S1^(1/2), which is symmetric. Throws ShapeError for different sizes, ValueError for
/// numbers that are not finite.
double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b);

}  // namespace ito::metrics
