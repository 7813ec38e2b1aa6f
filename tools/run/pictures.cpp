#include "tools/run/pictures.h"

#include <algorithm>
#include <cstring>

#include "engine/core/check.h"
#include "samplers/correctors/langevin.h"
#include "tools/data/grid.h"

namespace ito::tools {
namespace {

/// Correctors and the published predictors step from level to level, and few levels of VP are too
/// far apart for that. The first step is the longest.
void check_levels(const SampleJob& job) {
  if (job.sampling.method != "pc") return;
  const int steps = job.sampling.steps;
  const auto nearest = sde::IndexRounding::nearest;
  try {
    if (job.sampling.corrector != "none") {
      samplers::corrector_alpha(*job.sde, job.sde->T(), steps, samplers::CorrectorAlpha::per_step,
                                nearest);
    } else if (job.reference && job.sampling.predictor != "euler_maruyama" &&
               job.sampling.predictor != "none") {
      job.sde->discretize(job.sde->T(), steps, nearest);
    }
  } catch (const ValueError& e) {
    fail(ErrorCode::bad_combination, "sampling.steps",
         "is " + std::to_string(steps) + ", too few: " + e.what(), "use 100 steps or more");
  }
}

data::ImageShape shape_of(const Tensor& images) {
  return {static_cast<int>(images.size(1)), static_cast<int>(images.size(2)),
          static_cast<int>(images.size(3))};
}

/// The same contrast for every noise level: centred at the mean, scaled by the spread of the state.
Tensor normalized(const Tensor& x) {
  std::vector<float> v = x.to_vector<float>();
  const size_t per_image = v.size() / static_cast<size_t>(x.size(0));
  for (size_t first = 0; first < v.size(); first += per_image) {
    float top = 1;
    for (size_t i = first; i < first + per_image; ++i) top = std::max(top, std::abs(v[i]));
    for (size_t i = first; i < first + per_image; ++i) v[i] /= top;
  }
  return Tensor::from(v, x.shape());
}

}  // namespace

Drawn draw_batch(const SampleJob& job, const std::vector<int64_t>& seeds,
                 const samplers::Observer& observer) {
  check_levels(job);
  const samplers::NoiseSource noise{.seed = job.seed};
  const Tensor prior =
      samplers::prior_sample(*job.sde, job.sample_shape, seeds, noise).to(job.device);
  const auto mode =
      job.reference ? samplers::SamplingMode::reference : samplers::SamplingMode::product;
  const sde::ScoreFn score = job.score_of ? job.score_of(seeds) : job.score;
  const samplers::SampleResult result =
      samplers::sample(score, *job.sde, prior, seeds, job.sampling, mode, noise, observer);
  return {result.x.to(kCpu), result.evaluations, result.finished};
}

Drawn draw(const SampleJob& job, const std::vector<int64_t>& seeds,
           const std::function<samplers::Verdict(const samplers::StepView&, int64_t)>& observer) {
  const int64_t count = static_cast<int64_t>(seeds.size());
  Shape shape{count, job.sample_shape[0], job.sample_shape[1], job.sample_shape[2]};
  Drawn all{.x = Tensor::empty(shape, DType::f32)};
  for (int64_t first = 0; first < count; first += job.batch) {
    const int64_t end = std::min(count, first + job.batch);
    const std::vector<int64_t> part(seeds.begin() + first, seeds.begin() + end);
    samplers::Observer watch;
    if (observer) {
      watch = [&](const samplers::StepView& view) { return observer(view, first); };
    }
    const Drawn some = draw_batch(job, part, watch);
    std::memcpy(all.x.data<float>() + first * job.sample_shape.numel(), some.x.raw(),
                some.x.bytes());
    all.evaluations = std::max(all.evaluations, some.evaluations);
  }
  return all;
}

std::vector<int64_t> in_turn(const std::vector<int64_t>& classes,
                             const std::vector<int64_t>& samples) {
  std::vector<int64_t> list;
  for (const int64_t i : samples) list.push_back(classes[static_cast<size_t>(i) % classes.size()]);
  return list;
}

std::vector<float> unit_range(const Tensor& samples, data::PixelMap pixels) {
  std::vector<float> values = samples.to_vector<float>();
  data::from_network_range(pixels, values);
  return values;
}

int magnification(int64_t size) { return static_cast<int>(std::max<int64_t>(1, 64 / size)); }

data::Image picture_of(const Tensor& samples, data::PixelMap pixels, int columns) {
  if (samples.size(1) == 1 && samples.size(3) == 2) {
    return data::scatter_plot(samples.span<float>(), {.size = 512});
  }
  const std::vector<float> values = unit_range(samples, pixels);
  return data::make_grid(data::to_bytes(values, data::Rounding::nearest), shape_of(samples),
                         {.columns = columns, .scale = magnification(samples.size(1))});
}

data::Image trajectory_picture(const SampleJob& job, const std::vector<int64_t>& seeds, int columns,
                               const samplers::Observer& watch) {
  const auto steps = static_cast<int>(samplers::observed_steps(job.sampling));
  if (steps > 0) columns = std::min(columns, steps + 1);
  std::vector<Tensor> states;
  const auto keep = [&](const samplers::StepView& view) {
    // Columns are spread evenly over the steps, or over the time where the solver chooses its
    // steps; the last column is the finished sample.
    const auto column = static_cast<int>(states.size());
    const bool due = steps > 0 ? view.step == column * steps / (columns - 1)
                               : view.t <= job.sde->T() * (1 - double(column) / (columns - 1));
    if (due && column < columns - 1) states.push_back(view.x.clone());
    return watch ? watch(view) : samplers::Verdict::go_on;
  };
  const Tensor last = draw_batch(job, seeds, keep).x;
  if (last.size(1) == 1 && last.size(3) == 2) return picture_of(last, job.pixels);
  std::vector<uint8_t> bytes;
  const auto per_image = static_cast<size_t>(job.sample_shape.numel());
  std::vector<std::vector<uint8_t>> rows;
  for (const Tensor& x : states) {
    rows.push_back(
        data::to_bytes(unit_range(normalized(x), {.centered = true}), data::Rounding::nearest));
  }
  rows.push_back(data::to_bytes(unit_range(last, job.pixels), data::Rounding::nearest));
  for (size_t n = 0; n < seeds.size(); ++n) {
    for (const auto& row : rows) {
      const auto at = row.begin() + static_cast<std::ptrdiff_t>(n * per_image);
      bytes.insert(bytes.end(), at, at + static_cast<std::ptrdiff_t>(per_image));
    }
  }
  return data::make_grid(
      bytes, shape_of(last),
      {.columns = static_cast<int>(rows.size()), .scale = magnification(last.size(1))});
}

}  // namespace ito::tools
