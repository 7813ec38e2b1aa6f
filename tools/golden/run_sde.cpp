// Cases sde_*: the scalar functions of an SDE on a grid of times, and what follows from them.
#include <cmath>

#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "sde/score.h"
#include "sde/time_grid.h"
#include "tools/golden/case_run.h"

namespace ito::golden {
namespace {

using sde::Discretization;
using sde::IndexRounding;
using sde::Sde;

/// The rounding that the reference's fp32 arrays carry decides (README of the golden files); it
/// matters for arrays without a fp64 twin only.
double limit_of(const Sde& sde, const std::string& array) {
  if (array.find("index") != std::string::npos) return 1e-9;  // integers: one step off is more
  const bool step = array.ends_with(".f") || array.ends_with(".G");
  if (sde.name() == "ve" && step) return 1e-4;                   // sigma_i^2 - sigma_{i-1}^2
  if (sde.name() == "vp" && array.ends_with(".f")) return 5e-5;  // sqrt(alpha) - 1
  if (sde.name() != "ve" && array.ends_with("marginal.std")) return 5e-5;  // 1 - exp
  return sde.name() == "subvp" ? 3e-6 : 1e-6;
}

/// Compares arrays that the file has; a file may hold some of them only.
class SdeArrays {
 public:
  SdeArrays(CaseRun& run, const Sde& sde) : run_(run), sde_(sde) {}

  void expect(const std::string& part, const std::vector<double>& ours) {
    const std::string name = "output." + part;
    if (run_.golden().has(name)) run_.expect_exact(name, ours, limit_of(sde_, name));
  }
  void expect(const std::string& part, const Tensor& ours) { expect(part, values(ours)); }

 private:
  CaseRun& run_;
  const Sde& sde_;
};

/// f of every element of `over`.
template <class T, class F>
std::vector<double> map(const std::vector<T>& over, F&& f) {
  std::vector<double> list;
  list.reserve(over.size());
  for (const T& v : over) list.push_back(f(v));
  return list;
}

/// a[n] x[n] + b[n] y[n].
Tensor combine(const std::vector<double>& a, const Tensor& x, const std::vector<double>& b,
               const Tensor& y) {
  return sde::over_samples(sde::per_sample(a, x), x) * x +
         sde::over_samples(sde::per_sample(b, y), y) * y;
}

struct Grid {
  std::vector<double> t;
  Tensor x, score;
};

void expect_forward(SdeArrays& arrays, const Sde& sde, const Grid& g) {
  const std::vector<double> zero(g.t.size(), 0.0);
  arrays.expect("sde.drift",
                combine(map(g.t, [&](double t) { return sde.drift(t); }), g.x, zero, g.x));
  arrays.expect("sde.diffusion", map(g.t, [&](double t) { return std::sqrt(sde.diffusion2(t)); }));
  arrays.expect("marginal.mean",
                combine(map(g.t, [&](double t) { return sde.alpha(t); }), g.x, zero, g.x));
  arrays.expect("marginal.std", map(g.t, [&](double t) { return sde.sigma(t); }));
}

void expect_prior(CaseRun& run, SdeArrays& arrays, const Sde& sde, const Grid& g) {
  const bool scaled =
      run.golden().text("info.prior_logp_input", "").find("sigma_max") != std::string::npos;
  const double scale = scaled ? sde.prior_std() : 1.0;
  const std::vector<double> x = values(g.x);
  const size_t dimension = x.size() / g.t.size();
  std::vector<double> logp;
  for (size_t n = 0; n < g.t.size(); ++n) {
    double squares = 0;
    for (size_t i = n * dimension; i < (n + 1) * dimension; ++i)
      squares += std::pow(scale * x[i], 2);
    logp.push_back(sde.prior_logp(static_cast<int64_t>(dimension), squares));
  }
  arrays.expect("prior_logp", logp);
}

/// Reverse-time SDE (score_weight 1) and probability flow (score_weight 1/2, no noise):
/// drift f x - w g^2 score (Song et al. 2021, eq. 6 and 13), in time and per step of the chain.
void expect_reverse(SdeArrays& arrays, const std::string& part, double score_weight, const Sde& sde,
                    const std::vector<Discretization>& steps, const Grid& g) {
  const auto drift = map(g.t, [&](double t) { return sde.drift(t); });
  const auto pull = map(g.t, [&](double t) { return -score_weight * sde.diffusion2(t); });
  arrays.expect(part + ".drift", combine(drift, g.x, pull, g.score));
  const auto f = map(steps, [](const Discretization& d) { return d.f; });
  const auto step_pull =
      map(steps, [&](const Discretization& d) { return -score_weight * d.G * d.G; });
  arrays.expect(part + ".f", combine(f, g.x, step_pull, g.score));
  const double noise = score_weight == 1 ? 1 : 0;
  arrays.expect(part + ".diffusion",
                map(g.t, [&](double t) { return noise * std::sqrt(sde.diffusion2(t)); }));
  arrays.expect(part + ".G", map(steps, [&](const Discretization& d) { return noise * d.G; }));
}

void expect_tables(SdeArrays& arrays, const Sde& sde, int levels) {
  std::vector<Discretization> table;
  for (int k = 0; k < levels; ++k) {
    const double t = levels > 1 ? sde.T() * k / (levels - 1.0) : sde.T();
    table.push_back(sde.discretize(t, levels));
  }
  arrays.expect("table.discrete_sigmas",
                map(table, [](const Discretization& d) { return d.sigma_k; }));
  arrays.expect("table.discrete_betas",
                map(table, [](const Discretization& d) { return d.G * d.G; }));
  arrays.expect("table.alphas_cumprod",
                map(table, [](const Discretization& d) { return d.alpha_bar_k; }));
  arrays.expect("table.sqrt_alphas_cumprod",
                map(table, [](const Discretization& d) { return std::sqrt(d.alpha_bar_k); }));
  arrays.expect("table.sqrt_1m_alphas_cumprod",
                map(table, [](const Discretization& d) { return d.sigma_k; }));
}

void expect_timesteps(SdeArrays& arrays, const Sde& sde, double eps, int levels) {
  const auto grid = sde::TimeGrid::song_paper(sde.T(), eps, levels);
  std::vector<double> times, indices;
  for (int i = 0; i < levels; ++i) {
    times.push_back(grid.t(i));
    indices.push_back(sde.discretize(grid.t(i), levels, IndexRounding::truncate).index);
  }
  arrays.expect("timesteps", times);
  arrays.expect("index.timesteps", indices);
}

}  // namespace

void run_sde(CaseRun& run) {
  const NoGradScope off;
  const auto sde = make_sde(run);
  const int levels = levels_of(run);
  const Grid grid{values(run.golden().at("input.t")), run.input("input.x"),
                  run.input("input.score")};
  std::vector<Discretization> steps;
  for (const double t : grid.t) {
    steps.push_back(sde->discretize(t, levels, IndexRounding::truncate));
  }
  SdeArrays arrays(run, *sde);
  expect_forward(arrays, *sde, grid);
  expect_prior(run, arrays, *sde, grid);
  arrays.expect("discretize.index", map(steps, [](const Discretization& d) { return d.index; }));
  const std::vector<double> zero(steps.size(), 0.0);
  arrays.expect("discretize.f", combine(map(steps, [](const Discretization& d) { return d.f; }),
                                        grid.x, zero, grid.x));
  arrays.expect("discretize.G", map(steps, [](const Discretization& d) { return d.G; }));
  expect_reverse(arrays, "reverse", 1, *sde, steps, grid);
  expect_reverse(arrays, "reverse_pf", 0.5, *sde, steps, grid);
  expect_tables(arrays, *sde, levels);
  expect_timesteps(arrays, *sde, run.golden().number("info.eps", sde->sampling_eps()), levels);
}

}  // namespace ito::golden
