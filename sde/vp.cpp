#include "sde/vp.h"

#include <cmath>

#include "engine/core/check.h"

namespace ito::sde {

double VpConfig::beta(double t) const { return beta_min + t * (beta_max - beta_min); }

double VpConfig::integral(double t) const {
  return t * (beta_min + 0.5 * t * (beta_max - beta_min));
}

double VpConfig::table(int k, int levels) const {
  return (levels > 1 ? beta(static_cast<double>(k) / (levels - 1)) : beta_min) / levels;
}

double Vp::alpha(double t) const { return std::exp(-0.5 * config_.integral(t)); }

double Vp::sigma(double t) const { return std::sqrt(-std::expm1(-config_.integral(t))); }

double Vp::drift(double t) const { return -0.5 * config_.beta(t); }

double Vp::diffusion2(double t) const { return config_.beta(t); }

Discretization ddpm_step(int k, const std::function<double(int)>& beta) {
  double log_before = 0;  // ln of the product of alpha_0 ... alpha_{k-1}
  for (int j = 0; j < k; ++j) log_before += std::log1p(-beta(j));
  const double beta_k = beta(k), log_alpha = std::log1p(-beta_k);
  return {.index = k,
          .f = std::expm1(0.5 * log_alpha),
          .G = std::sqrt(beta_k),
          .alpha_k = 1 - beta_k,
          .alpha_bar_k = std::exp(log_before + log_alpha),
          .sigma_k = std::sqrt(-std::expm1(log_before + log_alpha)),
          .sigma_prev = std::sqrt(-std::expm1(log_before))};
}

Discretization Vp::discretize(double t, int levels, IndexRounding rounding) const {
  const int k = level_of(t, levels, rounding);
  const double beta_k = config_.table(k, levels);
  ITO_CHECK(beta_k < 1, ValueError, "DDPM step needs beta_k < 1: more levels or a smaller beta_max",
            kv("beta_k", beta_k), kv("k", k), kv("levels", levels));
  return ddpm_step(k, [&](int j) { return config_.table(j, levels); });
}

double Vp::network_label(double t, Labels labels, int levels) const {
  return labels == Labels::continuous ? 999 * t : t * (levels - 1);
}

double Vp::score_scale(double t, Labels labels, int levels, IndexRounding rounding) const {
  if (labels == Labels::continuous) return -1 / sigma(t);
  return -1 / discretize(t, levels, rounding).sigma_k;
}

}  // namespace ito::sde
