// The sub-VP SDE (Song et al. 2021, eq. 12 and appendix C): drift and alpha of VP, but
// g^2 = beta (1 - e^(-2B)) and sigma = 1 - e^-B, a variance never above that of VP.
#pragma once

#include "sde/sde.h"
#include "sde/vp.h"

namespace ito::sde {

class SubVp final : public Sde {
 public:
  explicit SubVp(VpConfig config) : config_(config) {}
  std::string_view name() const override { return "subvp"; }

  double alpha(double t) const override;
  double sigma(double t) const override;
  double drift(double t) const override;
  double diffusion2(double t) const override;

  double prior_std() const override { return 1; }
  double sampling_eps() const override { return 1e-3; }
  bool centered_data() const override { return true; }

  /// Euler-Maruyama, with the alphas of the DDPM table of the same betas (they need not be positive
  /// where levels <= beta_max).
  Discretization discretize(double t, int levels, IndexRounding rounding) const override;

  /// 999 t, for both kinds of labels: there is no discrete sub-VP training.
  double network_label(double t, Labels labels, int levels) const override;

  /// -1 / sigma(t).
  double score_scale(double t, Labels labels, int levels, IndexRounding rounding) const override;

 private:
  VpConfig config_;
};

}  // namespace ito::sde
