#include "sde/objectives/diffusion_chain.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/core/check.h"

namespace ito::sde {

DiffusionChain::DiffusionChain(std::span<const double> betas) {
  ITO_CHECK(!betas.empty(), ValueError, "a chain has steps");
  double before = 1;
  for (const double beta : betas) {
    ITO_CHECK(beta > 0 && beta < 1, ValueError, "every beta is in (0, 1)", kv("beta", beta));
    const double after = before * (1 - beta);
    steps_.push_back({.beta = beta,
                      .alpha_bar = after,
                      .alpha_bar_prev = before,
                      .posterior_variance = beta * (1 - before) / (1 - after),
                      .from_x0 = std::sqrt(before) * beta / (1 - after),
                      .from_xi = std::sqrt(1 - beta) * (1 - before) / (1 - after)});
    before = after;
  }
}

DiffusionChain DiffusionChain::of(const Sde& sde, int levels) {
  if (sde.name() != "vp") {
    fail(ErrorCode::bad_combination, "sde.name",
         "is " + std::string(sde.name()) + ", which has no variational bound", "use vp");
  }
  std::vector<double> betas;
  for (int k = 0; k < levels; ++k) {
    const double t = levels > 1 ? sde.T() * k / (levels - 1.0) : sde.T();
    betas.push_back(1 - sde.discretize(t, levels).alpha_k);
  }
  return DiffusionChain(betas);
}

DiffusionChain DiffusionChain::cosine(int levels) {
  ITO_CHECK(levels >= 1, ValueError, "a chain has steps", kv("levels", levels));
  const auto alpha_bar = [&](int i) {
    const double c = std::cos(0.5 * std::numbers::pi * (1.0 * i / levels + 0.008) / 1.008);
    return c * c;
  };
  std::vector<double> betas;
  for (int i = 0; i < levels; ++i) {
    betas.push_back(std::min(1 - alpha_bar(i + 1) / alpha_bar(i), 0.999));
  }
  return DiffusionChain(betas);
}

double DiffusionChain::log_posterior_variance(int i) const {
  if (i > 0) return std::log(at(i).posterior_variance);
  return levels() > 1 ? std::log(at(1).posterior_variance) : std::log(at(0).beta);
}

DiffusionChain DiffusionChain::respaced(std::span<const int> kept) const {
  std::vector<double> betas;
  double before = 1;
  int last = -1;
  for (const int i : kept) {
    ITO_CHECK(i > last && i < levels(), ValueError, "kept steps rise and are steps of the chain",
              kv("step", i), kv("after", last), kv("levels", levels()));
    betas.push_back(1 - at(i).alpha_bar / before);
    before = at(i).alpha_bar;
    last = i;
  }
  return DiffusionChain(betas);
}

std::vector<int> evenly_spaced_steps(int levels, int count) {
  ITO_CHECK(count >= 1 && count <= levels, ValueError, "some of the steps", kv("count", count),
            kv("levels", levels));
  std::vector<int> list;
  for (int i = 0; i < count; ++i) {
    const double share = count > 1 ? i / (count - 1.0) : 1.0;
    list.push_back(static_cast<int>(std::lround(share * (levels - 1))));
  }
  return list;
}

}  // namespace ito::sde
