// Cases ode_*: samples of the probability-flow ODE.
#include "engine/autograd/autograd.h"
#include "kernels/cast/op.h"
#include "kernels/permute/op.h"
#include "kernels/unary/op.h"
#include "tools/golden/flow.h"

namespace ito::golden {
namespace {

// The reference's own solutions differ by a fifth of this from the exact ones (golden README).
constexpr double kGaussianLimit = 2e-4, kNetworkLimit = 2e-3;
constexpr double kTightTolerance = 1e-9, kTightLimit = 1e-7;

Tensor in_file_layout(const Tensor& x) { return ops::permute(x, {0, 3, 1, 2}); }

/// The end of the path at another tolerance, in fp64, against the file's.
void expect_tight(CaseRun& run, const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& z,
                  samplers::FlowOptions options) {
  options.solver.rtol = options.solver.atol = kTightTolerance;
  options.denoise = samplers::Denoise::none;
  const Tensor end = in_file_layout(samplers::sample_ode(score, sde, z, options).x);
  for (const char* name : {"ode.y_end_tight_fp64", "ode.y_end_exact"}) {
    if (run.golden().has(name))
      expect_close(run, name, end, state_closeness(run, kTightLimit, kTightLimit));
  }
}

}  // namespace

void run_ode(CaseRun& run) {
  const NoGradScope off;
  const Case& c = run.golden();
  const auto sde = make_sde(run);
  const sde::ScoreFn score = score_in_precision(run, sde);
  const Tensor z = ops::cast(run.image("input.z"), DType::f64);
  samplers::FlowOptions options{.solver = solver_of(run),
                                .eps = c.number("info.eps", sde->sampling_eps()),
                                .denoise = samplers::Denoise::none,
                                .levels = levels_of(run)};
  const Closeness closeness = state_closeness(run, kGaussianLimit, kNetworkLimit);
  const samplers::SampleResult end = samplers::sample_ode(score, *sde, z, options);
  for (const char* name : {"ode.y_end", "ode.y_end_exact", "ode.y_end_tight_fp64"}) {
    if (c.has(name)) {
      expect_close(run, name, in_file_layout(end.x), closeness);
    }
  }
  Tensor sample = end.x;
  if (c.flag("info.denoise", false)) {
    options.denoise = samplers::Denoise::mean;
    sample = samplers::sample_ode(score, *sde, z, options).x;
  }
  if (c.text("info.inverse_scaler", "identity") != "identity") sample = 0.5 * sample + 0.5;
  expect_close(run, "output.sample", in_file_layout(sample), closeness);
  if (run.mode().precision == Precision::fp64) expect_tight(run, score, *sde, z, options);
}

}  // namespace ito::golden
