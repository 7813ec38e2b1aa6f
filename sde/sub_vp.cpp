#include "sde/sub_vp.h"

#include <cmath>

namespace ito::sde {

double SubVp::alpha(double t) const { return std::exp(-0.5 * config_.integral(t)); }

double SubVp::sigma(double t) const { return -std::expm1(-config_.integral(t)); }

double SubVp::drift(double t) const { return -0.5 * config_.beta(t); }

double SubVp::diffusion2(double t) const {
  return -config_.beta(t) * std::expm1(-2 * config_.integral(t));
}

Discretization SubVp::discretize(double t, int levels, IndexRounding rounding) const {
  Discretization step = Sde::discretize(t, levels, rounding);
  step.alpha_k = 1 - config_.table(step.index, levels);
  for (int j = 0; j <= step.index; ++j) step.alpha_bar_k *= 1 - config_.table(j, levels);
  return step;
}

double SubVp::network_label(double t, Labels, int) const { return 999 * t; }

double SubVp::score_scale(double t, Labels, int, IndexRounding) const { return -1 / sigma(t); }

}  // namespace ito::sde
