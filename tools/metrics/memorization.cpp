#include "tools/metrics/memorization.h"

#include <algorithm>
#include <vector>

#include "kernels/cast/op.h"
#include "kernels/squared_distances/neighbours.h"

namespace ito::metrics {
namespace {

std::vector<double> on_host(const Tensor& distances) {
  return ops::cast(distances.to(kCpu), DType::f64).to_vector<double>();
}

/// The value below which a share `q` of the list lies.
double quantile(std::vector<double> list, double q) {
  const auto at = list.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(list.size()));
  std::ranges::nth_element(list, at);
  return *at;
}

}  // namespace

Memorization memorization(const Tensor& samples, const Tensor& training, const Tensor& held_out) {
  ITO_CHECK(
      samples.rank() >= 1 && held_out.rank() >= 1 && samples.size(0) > 0 && held_out.size(0) > 0,
      ShapeError, "needs samples and held-out images", kv("samples", samples.shape()),
      kv("held_out", held_out.shape()));
  const Neighbours of_samples = nearest_neighbours(samples, training);
  const std::vector<double> near = on_host(of_samples.distance);
  const std::vector<double> usual = on_host(nearest_neighbours(held_out, training).distance);
  const double threshold = quantile(usual, 0.01);
  const auto closest = std::ranges::min_element(near) - near.begin();
  const auto copies = std::ranges::count_if(near, [threshold](double d) { return d < threshold; });
  return {
      .sample_median = quantile(near, 0.5),
      .held_out_median = quantile(usual, 0.5),
      .near_copies = static_cast<double>(copies) / static_cast<double>(near.size()),
      .closest_sample = closest,
      .closest_image = of_samples.index.to(kCpu).to_vector<int64_t>()[static_cast<size_t>(closest)],
      .closest_distance = near[static_cast<size_t>(closest)]};
}

}  // namespace ito::metrics
