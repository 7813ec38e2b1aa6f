#include "sde/sde.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/core/check.h"

namespace ito::sde {

double Sde::prior_logp(int64_t dimension, double squared_norm) const {
  const double variance = prior_std() * prior_std();
  return -0.5 * static_cast<double>(dimension) * std::log(2 * std::numbers::pi * variance) -
         squared_norm / (2 * variance);
}

Discretization Sde::discretize(double t, int levels, IndexRounding rounding) const {
  const int k = level_of(t, levels, rounding);
  const double h = T() / levels;
  return {.index = k,
          .f = drift(t) * h,
          .G = std::sqrt(diffusion2(t) * h),
          .alpha_k = 1,
          .alpha_bar_k = 1,
          .sigma_k = sigma(t),
          .sigma_prev = k > 0 ? sigma(std::max(t - h, 0.0)) : 0};
}

int Sde::level_of(double t, int levels, IndexRounding rounding) const {
  ITO_CHECK(levels >= 1, ValueError, "an SDE table needs one level or more", kv("levels", levels));
  ITO_CHECK(t >= 0 && t <= T(), ValueError, "time outside [0, T]", kv("t", t), kv("T", T()));
  if (rounding == IndexRounding::truncate) {
    const float position =
        static_cast<float>(t) * static_cast<float>(levels - 1) / static_cast<float>(T());
    return static_cast<int>(position);
  }
  return static_cast<int>(std::lround(t * (levels - 1) / T()));
}

}  // namespace ito::sde
