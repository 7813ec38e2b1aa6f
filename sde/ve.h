// The variance-exploding SDE (Song et al. 2021, eq. 9 and appendix C), the continuous limit of
// SMLD: sigma(t) = sigma_min (sigma_max / sigma_min)^t, f = 0, g^2 = d sigma^2 / dt.
#pragma once

#include "sde/sde.h"

namespace ito::sde {

struct VeConfig {
  double sigma_min = 0.01;  ///< sigma(0), data units, > 0
  double sigma_max = 50;    ///< sigma(T), > sigma_min
};

/// The transition variance is taken as sigma(t)^2, not sigma(t)^2 - sigma(0)^2: the process is
/// defined to jump from 0 to sigma_min just after t = 0 (appendix C), so integrate on [eps, T]
/// only.
class Ve final : public Sde {
 public:
  explicit Ve(VeConfig config) : config_(config) {}
  std::string_view name() const override { return "ve"; }

  double alpha(double t) const override;
  double sigma(double t) const override;
  double drift(double t) const override;
  double diffusion2(double t) const override;

  double prior_std() const override { return config_.sigma_max; }
  double sampling_eps() const override { return 1e-5; }
  bool centered_data() const override { return false; }

  /// Level k of N: sigma_min (sigma_max / sigma_min)^(k / (N - 1)), ascending.
  double scale(int k, int levels) const;

  /// SMLD: f = 0, G^2 = sigma_k^2 - sigma_{k-1}^2 with sigma_{-1} = 0.
  Discretization discretize(double t, int levels, IndexRounding rounding) const override;

  /// sigma(t), or the index of the descending table: round((T - t)(N - 1)).
  double network_label(double t, Labels labels, int levels) const override;

  /// 1: the network divides by sigma itself.
  double score_scale(double t, Labels labels, int levels, IndexRounding rounding) const override;

 private:
  VeConfig config_;
};

}  // namespace ito::sde
