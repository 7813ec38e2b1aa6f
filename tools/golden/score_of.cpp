#include "tools/golden/score_of.h"

#include <cmath>

#include "kernels/binary/op.h"

namespace ito::golden {
namespace {

/// Mean and standard deviation of the noisy data are alpha mu and sqrt(alpha^2 s0^2 + sigma^2).
struct Level {
  double alpha, sigma;
};

/// The noise level that a label names: the inverse of Sde::network_label.
Level level_of(const sde::Sde& sde, double label, const sde::Labelling& how) {
  const bool ve = sde.name() == "ve";
  if (how.labels == sde::Labels::continuous || sde.name() == "subvp") {
    if (ve) return {1, label};
    return {sde.alpha(label / 999), sde.sigma(label / 999)};
  }
  const double last = how.levels - 1;
  const sde::Discretization d =
      ve ? sde.discretize(sde.T() * (last - label) / last, how.levels, sde::IndexRounding::nearest)
         : sde.discretize(sde.T() * label / last, how.levels, sde::IndexRounding::truncate);
  return {std::sqrt(d.alpha_bar_k), d.sigma_k};
}

/// VE: the score itself. Otherwise the noise, -sigma times the score.
sde::NetworkFn gaussian_network(const CaseRun& run) {
  const Tensor mu = run.image("gaussian.mu");
  const double s0 = run.golden().number("info.s0", 1);
  const auto sde = make_sde(run);
  const sde::Labelling how = labelling_of(run);
  return [=](const Tensor& x, const Tensor& labels) {
    std::vector<double> means, factors;
    for (const double label : values(labels)) {
      const auto [alpha, sigma] = level_of(*sde, label, how);
      const double variance = alpha * alpha * s0 * s0 + sigma * sigma;
      means.push_back(alpha);
      factors.push_back(sde->name() == "ve" ? -1 / variance : sigma / variance);
    }
    const auto per_sample = [&](const std::vector<double>& list) {
      return sde::over_samples(sde::per_sample(list, x), x);
    };
    return (x - per_sample(means) * mu) * per_sample(factors);
  };
}

}  // namespace

sde::NetworkFn network_of(const CaseRun& run) {
  const std::string model = run.golden().text("info.model", "none");
  if (model == "gaussian") return gaussian_network(run);
  if (model != "network") throw Unknown("model:" + model);
  const std::shared_ptr<nn::Network> network = make_network(run);
  return [=](const Tensor& x, const Tensor& labels) { return network->forward(x, labels); };
}

sde::Labelling labelling_of(const CaseRun& run) {
  const bool continuous = run.golden().flag("info.continuous", true);
  return {.labels = continuous ? sde::Labels::continuous : sde::Labels::discrete,
          .levels = levels_of(run),
          .rounding = sde::IndexRounding::truncate};
}

sde::ScoreFn score_of(const CaseRun& run, std::shared_ptr<const sde::Sde> sde) {
  return sde::make_score(network_of(run), std::move(sde), labelling_of(run));
}

}  // namespace ito::golden
