// Cases pc_*, inpaint_* and colorize_*: predictor-corrector sampling with all noise recorded.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/matmul/op.h"
#include "kernels/permute/op.h"
#include "kernels/reshape/op.h"
#include "kernels/slice/op.h"
#include "kernels/unary/op.h"
#include "samplers/pc.h"
#include "tools/golden/score_of.h"

namespace ito::golden {
namespace {

using samplers::LinearMeasurement;
using samplers::UpdateView;

/// Twice the reference's own error where that is more: small times lose digits in 1 - exp.
double limit_of(const CaseRun& run, const std::string& name) {
  return std::max(3e-5, 2 * run.golden().relative_error(name));
}

/// Arrays [K, N, C, H, W] that grow by one entry at a time.
class Stacks {
 public:
  void add(const std::string& name, const Tensor& entry) {
    const bool image = entry.rank() == 4;
    const std::vector<double> list = values(image ? ops::permute(entry, {0, 3, 1, 2}) : entry);
    std::vector<double>& stack = stacks_[name];
    stack.insert(stack.end(), list.begin(), list.end());
  }
  /// Those that the file has; one that never grew is empty.
  void expect(CaseRun& run, const std::string& name) const {
    const auto found = stacks_.find(name);
    if (run.golden().has(name))
      run.expect(name, found == stacks_.end() ? std::vector<double>() : found->second,
                 limit_of(run, name));
  }

 private:
  std::map<std::string, std::vector<double>> stacks_;
};

/// The network, which leaves its inputs and outputs in `calls`.
sde::NetworkFn recorded_calls(const CaseRun& run, Stacks& calls) {
  return [network = network_of(run), &calls](const Tensor& x, const Tensor& labels) {
    const Tensor y = network(x, labels);
    calls.add("call.x", x);
    calls.add("call.labels", labels);
    calls.add("call.out", y);
    return y;
  };
}

/// Draw k of input.noise [K, N, C, H, W] as an image, one after another.
class Draws {
 public:
  explicit Draws(const CaseRun& run) : noise_(run.input("input.noise")) {}

  Tensor next() {
    const Shape& s = noise_.shape();
    ITO_CHECK(s.rank() == 5 && used_ < s[0], ValueError, "more draws than input.noise holds",
              kv("input.noise", s));
    const Tensor draw =
        ops::reshape(ops::slice(noise_, 0, used_, used_ + 1), {s[1], s[2], s[3], s[4]});
    ++used_;
    return ops::permute(draw, {0, 2, 3, 1});
  }
  int64_t left() const { return noise_.size(0) - used_; }

 private:
  Tensor noise_;
  int64_t used_ = 0;
};

/// The inverse of a 3 x 3 matrix, row-major, by cofactors.
std::vector<double> inverse(const std::vector<double>& m) {
  const auto at = [&](size_t i, size_t j) { return m[3 * (i % 3) + j % 3]; };
  const auto cofactor = [&](size_t i, size_t j) {
    return at(i + 1, j + 1) * at(i + 2, j + 2) - at(i + 1, j + 2) * at(i + 2, j + 1);
  };
  const double det = m[0] * cofactor(0, 0) + m[1] * cofactor(0, 1) + m[2] * cofactor(0, 2);
  std::vector<double> list;
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) list.push_back(cofactor(j, i) / det);
  }
  return list;
}

/// The published colour matrix has eight digits, which the file holds in fp32: as they were, where
/// they tell the same number.
std::vector<double> published_colours(const CaseRun& run) {
  std::vector<double> m = values(run.golden().at("input.M"));
  for (double& v : m) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.8g", v);
    if (static_cast<float>(std::atof(digits)) == static_cast<float>(v)) v = std::atof(digits);
  }
  return m;
}

/// The published colorizer measures in all rotated colours x M, of which it knows the first. Its M
/// is orthogonal to fp32 only, and it inverts it numerically.
LinearMeasurement rotated_colours(const CaseRun& run) {
  const auto matrix = [&](const std::vector<double>& m, const Shape& shape) {
    return ops::cast(Tensor::from(m, shape), run.mode().data()).to(run.mode().device);
  };
  const std::vector<double> colours = published_colours(run);
  const Tensor m = matrix(colours, {3, 3}), back = matrix(inverse(colours), {3, 3});
  const Tensor first = matrix({1, 0, 0}, {3});
  const auto apply = [=](const Tensor& x) { return ops::matmul(x, m) * first; };
  const auto solve = [=](const Tensor& y) { return ops::matmul(y * first, back); };
  return {apply, solve, solve, LinearMeasurement::Rows::orthonormal};
}

/// What the case knows of its images; nothing for pc_*.
std::optional<samplers::DataConstraint> constraint_of(const CaseRun& run) {
  constexpr auto kRule = samplers::ConstraintRule::reference;
  const std::string& category = run.golden().category;
  if (category == "inpaint") {
    return {{samplers::inpainting(run.image("input.mask")), run.image("input.data"), 1, kRule}};
  }
  if (category == "colorize") {
    const LinearMeasurement colours = rotated_colours(run);
    return {{colours, colours.apply(run.image("input.gray")), 1, kRule}};
  }
  return {};
}

/// The state at T. The published colorizer masks the prior before it rotates, and not again.
Tensor start_of(const CaseRun& run, const sde::Sde& sde, const samplers::PcOptions& o,
                const std::vector<int64_t>& samples) {
  const Tensor prior = sde.prior_std() * run.image("input.prior_z");
  if (!o.constraint) return prior;
  if (run.golden().category == "inpaint")
    return samplers::constrained_start(*o.constraint, sde, prior, samples, {});
  const std::vector<double> unknown{0, 1, 1};
  const Tensor unmasked = ops::cast(Tensor::from(unknown, {3}), prior.dtype()).to(prior.device());
  return o.constraint->measurement.pseudo_inverse(o.constraint->y) + prior * unmasked;
}

samplers::PcOptions options_of(const CaseRun& run, const sde::Sde& sde) {
  const Case& c = run.golden();
  samplers::SamplingConfig config;
  config.predictor = c.text("info.predictor", config.predictor);
  config.corrector = c.text("info.corrector", config.corrector);
  config.steps = levels_of(run);
  config.snr = c.number("info.snr", config.snr);
  config.corrector_steps = static_cast<int>(c.number("info.n_steps", 1));
  config.probability_flow = c.flag("info.probability_flow", false);
  config.denoise = c.flag("info.denoise", true) ? "mean" : "none";
  config.eps = c.number("info.eps", 0);
  samplers::PcOptions o = samplers::reference_pc_options(config, sde);
  o.constraint = constraint_of(run);
  return o;
}

void expect_grid(CaseRun& run, const sde::Sde& sde, const sde::TimeGrid& grid) {
  std::vector<double> times, indices;
  for (int i = 0; i < grid.steps(); ++i) {
    times.push_back(grid.t(i));
    indices.push_back(sde.discretize(grid.t(i), grid.steps(), sde::IndexRounding::truncate).index);
  }
  const Case& c = run.golden();
  if (c.has("input.timesteps")) run.expect("input.timesteps", times, 1e-6);
  if (c.has("input.timestep_index")) run.expect("input.timestep_index", indices, 0);
}

}  // namespace

void run_pc(CaseRun& run) {
  const NoGradScope off;
  const auto sde = make_sde(run);
  Stacks stacks;
  samplers::PcOptions o = options_of(run, *sde);
  o.on_update = [&](const UpdateView& v) {
    const std::string name =
        v.kind == UpdateView::Kind::corrector ? "traj.corrector." : "traj.predictor.";
    stacks.add(name + "x", v.x);
    stacks.add(name + "x_mean", v.mean);
  };
  std::vector<int64_t> samples(static_cast<size_t>(run.golden().at("input.prior_z").size(0)));
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<int64_t>(i);
  Draws draws(run);
  const Tensor start = start_of(run, *sde, o, samples);
  const auto score = sde::make_score(recorded_calls(run, stacks), sde, labelling_of(run));
  const samplers::SampleResult result = samplers::sample_pc(
      score, *sde, start, samples, o, {.recorded = [&] { return draws.next(); }});
  expect_grid(run, *sde, o.grid);
  for (const char* name : {"call.x", "call.labels", "call.out", "traj.corrector.x",
                           "traj.corrector.x_mean", "traj.predictor.x", "traj.predictor.x_mean"}) {
    stacks.expect(run, name);
  }
  run.record("draws", static_cast<double>(draws.left()), 0);
  const double calls = run.golden().number("info.model_calls", -1);
  if (calls >= 0)
    run.record("model_calls", std::abs(static_cast<double>(result.evaluations) - calls), 0);
  // Centered data are in [-1, 1]; the reference returns [0, 1].
  const Tensor sample = sde->centered_data() ? 0.5 * (result.x + 1.0) : result.x;
  run.expect_image("output.sample", sample, limit_of(run, "output.sample"));
}

}  // namespace ito::golden
