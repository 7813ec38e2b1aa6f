// Linear SDEs of one's own, and the cosine schedule as one that has a name.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sde/sde.h"

namespace ito::sde {

/// What a custom SDE dx = f(t) x dt + g(t) dw is made of. Functions of t in [0, T].
struct LinearConfig {
  std::string name = "custom";
  double T = 1;
  std::function<double(double)> drift;       ///< f(t), per unit of time; smooth
  std::function<double(double)> diffusion2;  ///< g(t)^2 >= 0, per unit of time; smooth
  /// Closed forms of alpha and sigma, both or neither. Without them they are integrated.
  std::function<double(double)> alpha = {}, sigma = {};
  double initial_std = 0;       ///< sigma(0), when it is integrated: VE starts with sigma_min
  double prior_std = 0;         ///< of the start of sampling; 0: sigma(T)
  double sampling_eps = 1e-3;   ///< time at which sampling ends
  bool centered_data = true;    ///< data in [-1, 1], else in [0, 1]
  double label_per_time = 999;  ///< the network's label is this times t / T
};

/// The SDE of given coefficients. Networks predict the noise: score = -network / sigma(t).
/// Without closed forms
///   alpha(t) = exp(L(t)),  sigma(t)^2 = alpha(t)^2 (initial_std^2 + int_0^t (g(u) / alpha(u))^2
///   du)
/// with L(t) = int_0^t f: Gauss-Legendre quadrature on panels of [0, T] whose ends are tabulated,
/// 1e-12 relative for coefficients as smooth as the published ones. All terms of sigma^2 are
/// positive, so small times keep that accuracy.
class LinearSde final : public Sde {
 public:
  /// Throws ValueError unless drift and diffusion2 are given, T > 0, the stds are not negative and
  /// 0 <= sampling_eps < T.
  explicit LinearSde(LinearConfig config);

  std::string_view name() const override { return config_.name; }
  double T() const override { return config_.T; }
  double alpha(double t) const override;
  double sigma(double t) const override;
  double drift(double t) const override { return config_.drift(t); }
  double diffusion2(double t) const override { return config_.diffusion2(t); }
  double prior_std() const override;
  double sampling_eps() const override { return config_.sampling_eps; }
  bool centered_data() const override { return config_.centered_data; }
  double network_label(double t, Labels labels, int levels) const override;
  double score_scale(double t, Labels labels, int levels, IndexRounding rounding) const override;

 private:
  struct Knot {
    double t, log_alpha, variance;
  };
  Knot advanced(const Knot& from, double t) const;
  Knot at(double t) const;

  LinearConfig config_;
  std::vector<Knot> knots_;  // ends of the panels; empty where closed forms are given
};

/// The cosine schedule of Nichol and Dhariwal 2021 (eq. 17) in continuous time: a VP process with
///   alpha(t) = cos(phi(t)) / cos(phi(0)),  phi(t) = (pi / 2) (t + s) / (1 + s),  s = 0.008,
/// beta(t) = -2 alpha'(t) / alpha(t). Near t = 1, where beta grows without bound, it stays at 999
/// (their beta_k <= 0.999 at N = 1000 levels), and alpha decays exponentially.
class Cosine final : public Sde {
 public:
  Cosine();
  std::string_view name() const override { return "cosine"; }
  double alpha(double t) const override;
  double sigma(double t) const override;
  double drift(double t) const override;
  double diffusion2(double t) const override;
  double prior_std() const override { return 1; }
  double sampling_eps() const override { return 1e-3; }
  bool centered_data() const override { return true; }

  /// beta_k = min(1 - alpha((k + 1) / N)^2 / alpha(k / N)^2, 0.999), with the cosine all the way.
  Discretization discretize(double t, int levels, IndexRounding rounding) const override;
  /// 999 t, or t (N - 1), as for VP.
  double network_label(double t, Labels labels, int levels) const override;
  /// -1 / sigma: the network predicts the noise.
  double score_scale(double t, Labels labels, int levels, IndexRounding rounding) const override;

 private:
  double capped_from_;  // beta reaches its largest value here
};

}  // namespace ito::sde
