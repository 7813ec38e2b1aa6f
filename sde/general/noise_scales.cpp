#include "sde/general/noise_scales.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/random/noise.h"
#include "kernels/gather/op.h"
#include "kernels/squared_distances/neighbours.h"

namespace ito::sde {
namespace {

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

}  // namespace

LargestNoise largest_noise(const Tensor& data, int64_t most_rows, uint64_t seed) {
  ITO_CHECK(most_rows >= 2, ValueError, "a distance takes two rows", kv("most_rows", most_rows));
  const int64_t n = data.size(0);
  if (n <= most_rows) return {largest_distance(data), n};
  const std::vector<uint32_t> order =
      permutation(static_cast<uint32_t>(n), {.seed = seed, .purpose = Purpose::data, .step = 0});
  const std::vector<int64_t> rows(order.begin(), order.begin() + most_rows);
  return {largest_distance(ops::gather(data, Tensor::from(rows, {most_rows}, data.device()))),
          most_rows};
}

double level_overlap(double gamma, int64_t dimension) {
  ITO_CHECK(gamma >= 1 && dimension >= 1, ValueError, "levels have a ratio of 1 or more",
            kv("gamma", gamma), kv("dimension", dimension));
  const double shift = std::sqrt(2 * static_cast<double>(dimension)) * (gamma - 1);
  return normal_cdf(shift + 3 * gamma) - normal_cdf(shift - 3 * gamma);
}

double level_ratio(int64_t dimension, double overlap) {
  ITO_CHECK(overlap > 0 && overlap < 0.99, ValueError, "an overlap is between 0 and 0.99",
            kv("overlap", overlap));
  // Up to four dimensions 3 gamma outgrows the shift, so that the overlap does not fall to 0.
  ITO_CHECK(dimension >= 5, ValueError, "technique 2 is for data of 5 dimensions or more",
            kv("dimension", dimension));
  double low = 1, high = 2;
  while (level_overlap(high, dimension) > overlap && high < 1e6) high *= 2;
  ITO_CHECK(high < 1e6, ValueError, "no ratio has that overlap", kv("overlap", overlap),
            kv("dimension", dimension));
  for (int i = 0; i < 200; ++i) {
    const double middle = 0.5 * (low + high);
    (level_overlap(middle, dimension) > overlap ? low : high) = middle;
  }
  return low;
}

int level_count(double sigma_min, double sigma_max, double gamma) {
  ITO_CHECK(sigma_min > 0 && sigma_max > sigma_min && gamma > 1, ValueError,
            "levels need 0 < sigma_min < sigma_max and gamma > 1", kv("sigma_min", sigma_min),
            kv("sigma_max", sigma_max), kv("gamma", gamma));
  // A ratio that divides the range exactly must not be rounded up to one more level.
  return 1 + static_cast<int>(
                 std::ceil(std::log(sigma_max / sigma_min) / std::log(gamma) * (1 - 1e-12)));
}

double langevin_variance_ratio(double step, double sigma_min, double gamma, int steps) {
  const double u = step / (sigma_min * sigma_min), q = 2 / (2 - u);
  return std::pow(1 - u, 2 * steps) * (gamma * gamma - q) + q;
}

double langevin_step_for(double sigma_min, double gamma, int steps) {
  ITO_CHECK(sigma_min > 0 && gamma > 1 && steps >= 1, ValueError,
            "a Langevin step needs sigma_min > 0, gamma > 1 and one step or more",
            kv("sigma_min", sigma_min), kv("gamma", gamma), kv("steps", steps));
  // Golden section (Kiefer 1953): one minimum, as the first term falls in u and q rises.
  double low = 0, high = 1;
  while (high - low > 1e-10) {
    const double part = (high - low) / std::numbers::phi;
    const double left = high - part, right = low + part;
    if (langevin_variance_ratio(left, 1, gamma, steps) <
        langevin_variance_ratio(right, 1, gamma, steps)) {
      high = right;
    } else {
      low = left;
    }
  }
  return 0.5 * (low + high) * sigma_min * sigma_min;
}

}  // namespace ito::sde
