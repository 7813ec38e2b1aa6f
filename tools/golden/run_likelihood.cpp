// Cases likelihood_*: bits per dimension with a recorded probe.
#include <cmath>
#include <numbers>
#include <numeric>

#include "kernels/cast/op.h"
#include "kernels/permute/op.h"
#include "samplers/likelihood/log_likelihood.h"
#include "tools/golden/flow.h"

namespace ito::golden {
namespace {

constexpr double kGaussianBits = 1e-4, kNetworkBits = 1e-2;  // bits per dimension
constexpr double kGaussianLatent = 2e-4, kNetworkLatent = 1e-2;
constexpr double kTightTolerance = 1e-8, kTightLimit = 1e-6;

Tensor list_of(const std::vector<double>& v) {
  return Tensor::from(v, {static_cast<int64_t>(v.size())});
}

/// Compares the arrays NAME + suffix that the file has: log-densities in bits per dimension.
void expect_all(CaseRun& run, const samplers::Likelihood& l, const std::string& suffix, double bits,
                const Closeness& latent) {
  const Case& c = run.golden();
  const int64_t dimension = l.latent.numel() / l.latent.size(0);
  const double nats_per_bit = static_cast<double>(dimension) * std::numbers::ln2;
  std::vector<double> bpd;
  for (const double logp : l.logp) {
    bpd.push_back(-logp / nats_per_bit + c.number("info.bpd_offset", 8));
  }
  const auto check = [&](const std::string& name, const Tensor& ours, const Closeness& closeness) {
    if (c.has(name + suffix)) expect_close(run, name + suffix, ours, closeness);
  };
  check("output.bpd", list_of(bpd), {.limit = bits});
  check("output.delta_logp", list_of(l.change), {.limit = bits, .unit = nats_per_bit});
  check("output.prior_logp", list_of(l.prior), {.limit = bits, .unit = nats_per_bit});
  check("output.z", ops::permute(l.latent, {0, 3, 1, 2}), latent);
}

/// Codes of a VE SDE are as large as its prior.
Closeness latent_closeness(const CaseRun& run, const sde::Sde& sde, double gaussian,
                           double network) {
  Closeness closeness = state_closeness(run, gaussian, network);
  closeness.unit = sde.prior_std();
  return closeness;
}

}  // namespace

void run_likelihood(CaseRun& run) {
  const Case& c = run.golden();
  const auto sde = make_sde(run);
  const sde::ScoreFn score = score_in_precision(run, sde);
  const Tensor x = ops::cast(run.image("input.x"), DType::f64);
  samplers::LikelihoodOptions options{
      .solver = solver_of(run),
      .eps = c.number("info.eps", 1e-5),
      .recorded = {ops::cast(run.image("input.epsilon"), DType::f64)}};
  std::vector<int64_t> samples(static_cast<size_t>(x.size(0)));
  std::iota(samples.begin(), samples.end(), 0);
  const samplers::Likelihood l = samplers::log_likelihood(score, *sde, x, samples, options);
  const bool gaussian = c.text("info.model", "") == "gaussian";
  for (const char* suffix : {"", "_exact", "_tight_fp64"}) {
    expect_all(run, l, suffix, gaussian ? kGaussianBits : kNetworkBits,
               latent_closeness(run, *sde, kGaussianLatent, kNetworkLatent));
  }
  if (run.mode().precision != Precision::fp64) return;
  options.solver.rtol = options.solver.atol = kTightTolerance;
  const samplers::Likelihood tight = samplers::log_likelihood(score, *sde, x, samples, options);
  for (const char* suffix : {"_exact", "_tight_fp64"}) {
    expect_all(run, tight, suffix, kTightLimit,
               latent_closeness(run, *sde, kTightLimit, kTightLimit));
  }
}

}  // namespace ito::golden
