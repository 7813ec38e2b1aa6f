// The variance-preserving SDE (Song et al. 2021, eq. 11 and appendix C), the continuous limit of
// DDPM: beta(t) = beta_min + t (beta_max - beta_min), B(t) = integral of beta from 0 to t, f =
// -beta / 2, g^2 = beta, alpha = e^(-B/2), sigma^2 = 1 - e^-B.
#pragma once

#include <functional>

#include "sde/sde.h"

namespace ito::sde {

struct VpConfig {
  double beta_min = 0.1;  ///< beta(0), per unit of time, >= 0
  double beta_max = 20;   ///< beta(T), > 0 and >= beta_min

  double beta(double t) const;      ///< beta(t)
  double integral(double t) const;  ///< B(t)
  /// beta_k of DDPM with N levels: beta_min/N ... beta_max/N, equally spaced.
  double table(int k, int levels) const;
};

/// One step of a DDPM chain with the betas beta(0), beta(1), ... at level k: 1 + f = sqrt(1 -
/// beta_k), G = sqrt(beta_k). beta_k < 1.
Discretization ddpm_step(int k, const std::function<double(int)>& beta);

class Vp final : public Sde {
 public:
  explicit Vp(VpConfig config) : config_(config) {}
  std::string_view name() const override { return "vp"; }

  double alpha(double t) const override;
  double sigma(double t) const override;
  double drift(double t) const override;
  double diffusion2(double t) const override;

  double prior_std() const override { return 1; }
  double sampling_eps() const override { return 1e-3; }
  bool centered_data() const override { return true; }

  /// DDPM: 1 + f = sqrt(1 - beta_k), G = sqrt(beta_k). Throws ValueError where a beta_k reaches 1
  /// (too few levels for beta_max).
  Discretization discretize(double t, int levels, IndexRounding rounding) const override;

  /// 999 t whatever N is, or t (N - 1), not rounded.
  double network_label(double t, Labels labels, int levels) const override;

  /// -1 / sigma(t), or -1 / sqrt(1 - alpha_bar_k): the network predicts the noise.
  double score_scale(double t, Labels labels, int levels, IndexRounding rounding) const override;

 private:
  VpConfig config_;
};

}  // namespace ito::sde
