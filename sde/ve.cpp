#include "sde/ve.h"

#include <cmath>

namespace ito::sde {

double Ve::alpha(double) const { return 1; }

double Ve::sigma(double t) const {
  return config_.sigma_min * std::pow(config_.sigma_max / config_.sigma_min, t);
}

double Ve::drift(double) const { return 0; }

double Ve::diffusion2(double t) const {
  const double s = sigma(t);
  return 2 * std::log(config_.sigma_max / config_.sigma_min) * s * s;
}

double Ve::scale(int k, int levels) const {
  return levels > 1 ? sigma(static_cast<double>(k) / (levels - 1)) : config_.sigma_min;
}

Discretization Ve::discretize(double t, int levels, IndexRounding rounding) const {
  const int k = level_of(t, levels, rounding);
  const double sigma_k = scale(k, levels);
  const double sigma_prev = k > 0 ? scale(k - 1, levels) : 0;
  return {.index = k,
          .f = 0,
          .G = std::sqrt((sigma_k - sigma_prev) * (sigma_k + sigma_prev)),
          .alpha_k = 1,
          .alpha_bar_k = 1,
          .sigma_k = sigma_k,
          .sigma_prev = sigma_prev};
}

double Ve::network_label(double t, Labels labels, int levels) const {
  if (labels == Labels::continuous) return sigma(t);
  return std::nearbyint((T() - t) * (levels - 1));
}

double Ve::score_scale(double, Labels, int, IndexRounding) const { return 1; }

}  // namespace ito::sde
