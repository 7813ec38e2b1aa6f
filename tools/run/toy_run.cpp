#include "tools/run/toy_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "engine/autograd/autograd.h"
#include "models/make.h"
#include "models/presets/presets.h"
#include "samplers/likelihood/log_likelihood.h"
#include "sde/training/score_network.h"
#include "sde/training/trainer.h"
#include "tools/data/batch_source.h"
#include "tools/data/toys.h"
#include "tools/run/interrupt.h"
#include "tools/run/pictures.h"
#include "tools/run/plane_plot.h"

namespace ito::tools {
namespace {

constexpr std::string_view kFolder = "toy/";
constexpr int kPixels = 300, kArrows = 20, kDensitySide = 48, kPoints = 2000;
constexpr float kHalfWidth = 2.8f;  // data has a variance of one per axis

using Clock = std::chrono::steady_clock;

Config config_of(const ToyJob& job) {
  Config config = load_config({.preset = std::string(kFolder) + job.objective});
  config.data.name = job.data;
  config.train.seed = static_cast<int64_t>(job.seed);
  config.validate();
  return config;
}

std::vector<int64_t> first_indices(int64_t count) {
  std::vector<int64_t> list(static_cast<size_t>(count));
  std::iota(list.begin(), list.end(), 0);
  return list;
}

/// Trains until the time or the steps are used up, or somebody interrupts.
void train(const ToyJob& job, const Config& config, sde::Trainer& trainer, ToyResult& result) {
  const std::shared_ptr<const data::Dataset> dataset =
      data::open_dataset(config.data, data::Split::train);
  const data::BatchSource batches(dataset, config.train.batch, job.seed,
                                  {.centered = config.data.centered});
  const Clock::time_point end =
      Clock::now() + std::chrono::microseconds(static_cast<int64_t>(1e6 * job.seconds));
  std::vector<int64_t> classes(static_cast<size_t>(config.train.batch));
  while (!interrupted() && (job.steps > 0 ? result.steps < job.steps : Clock::now() < end)) {
    const Tensor batch = Tensor::empty({config.train.batch, 1, 1, 2}, DType::f32);
    batches.batch_at(result.steps, batch.span<float>(), classes, {});
    trainer.step(batch);
    if (++result.steps % 200 == 0) {
      result.loss = trainer.loss_window().mean();
      trainer.loss_window() = {};
    }
  }
  if (result.steps < 200) result.loss = trainer.loss_window().mean();
}

data::Image points_picture(std::span<const float> points) {
  PlanePlot plot(kPixels, kHalfWidth);
  plot.dots(points, PlanePlot::kBlue, 1.2f, 0.6f);
  return plot.image();
}

/// The time at which the noise has 0.3 of the data's scale.
double field_time(const sde::Sde& sde) {
  double low = 1e-4, high = sde.T();
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (sde.sigma(middle) < 0.3 * sde.alpha(middle) ? low : high) = middle;
  }
  return high;
}

data::Image field_picture(const sde::ScoreFn& score, const sde::Sde& sde,
                          std::span<const float> points) {
  const NoGradScope off;
  PlanePlot plot(kPixels, kHalfWidth);
  plot.dots(points, PlanePlot::kGrey, 1.0f, 0.5f);
  const std::vector<float> grid = grid_points(kArrows, kHalfWidth);
  const Tensor x = Tensor::from(grid, {kArrows * kArrows, 1, 1, 2});
  const std::vector<double> t{field_time(sde)};
  draw_field(plot, grid, score(x, t).span<float>(), 2 * kHalfWidth / kArrows);
  return plot.image();
}

data::Image density_picture(const sde::ScoreFn& score, const sde::Sde& sde) {
  const std::vector<float> grid = grid_points(kDensitySide, kHalfWidth);
  const int64_t count = kDensitySide * kDensitySide;
  samplers::LikelihoodOptions options{.eps = 1e-3, .divergence = samplers::Divergence::exact};
  options.solver.rtol = options.solver.atol = 1e-2;
  const samplers::Likelihood p = samplers::log_likelihood(
      score, sde, Tensor::from(grid, {count, 1, 1, 2}), first_indices(count), options);
  std::vector<float> values;
  for (const double logp : p.logp) values.push_back(static_cast<float>(std::exp(logp)));
  // Relative to a high quantile, so that a single sharp peak does not hide the rest.
  std::vector<float> sorted = values;
  std::ranges::sort(sorted);
  const float top = sorted[sorted.size() * 99 / 100];
  for (float& v : values) v /= top > 0 ? top : 1.0f;
  PlanePlot plot(kPixels, kHalfWidth);
  plot.heat(values, kDensitySide);
  return plot.image();
}

}  // namespace

std::vector<std::string> toy_objectives() {
  std::vector<std::string> names;
  for (const nn::Preset& p : nn::presets()) {
    if (p.name.starts_with(kFolder)) names.emplace_back(p.name.substr(kFolder.size()));
  }
  return names;
}

ToyResult run_toy(const ToyJob& job) {
  const Config config = config_of(job);
  const std::shared_ptr<const sde::Sde> sde = sde::make_sde(config.sde);
  sde::Trainer trainer(nn::make_network(config.model, config.image(), job.seed), sde,
                       config.objective, config.optim, config.train, config.sde.num_scales);
  ToyResult result;
  train(job, config, trainer, result);
  const nn::Network& network = trainer.ema_network();
  const sde::NetworkFn forward = [&](const Tensor& x, const Tensor& labels) {
    return network.forward(x, labels);
  };
  const auto labels = config.objective.continuous ? sde::Labels::continuous : sde::Labels::discrete;
  const sde::ScoreFn score = sde::make_score(sde::score_network(forward, config.objective), sde,
                                             {labels, config.sde.num_scales});
  const SampleJob sampling{.score = score,
                           .sde = sde,
                           .sample_shape = {1, 1, 2},
                           .sampling = config.sampling,
                           .seed = job.seed,
                           .batch = kPoints};
  const std::vector<float> points = data::make_toy(job.data, job.seed, kPoints).points;
  const Tensor samples = draw(sampling, first_indices(kPoints)).x;
  result.picture =
      side_by_side({points_picture(points), field_picture(score, *sde, points),
                    points_picture(samples.span<float>()), density_picture(score, *sde)});
  return result;
}

}  // namespace ito::tools
