#include "tools/run/grid_schedule.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "samplers/sample.h"

namespace ito::tools {
namespace {

/// 10, 20, 50, 100, ... below `end`.
std::vector<int64_t> early_steps(int64_t end) {
  std::vector<int64_t> list;
  for (int64_t decade = 10; decade < end; decade *= 10) {
    for (const int64_t factor : {1, 2, 5}) {
      if (factor * decade < end) list.push_back(factor * decade);
    }
  }
  return list;
}

/// Evaluations of the score per observed step, at most.
int64_t evaluations_per_step(const samplers::SamplingConfig& c) {
  if (c.method == "pc") return 1 + (c.corrector == "none" ? 0 : c.corrector_steps);
  if (c.method == "annealed_langevin") return 1;
  return c.method == "ode" ? 4 : 2;
}

}  // namespace

double grid_cost(const samplers::SamplingConfig& sampling, int64_t samples, int64_t batch) {
  const int64_t steps = samplers::observed_steps(sampling);
  if (steps == 0) return std::numeric_limits<double>::infinity();
  const int64_t passes = samples * steps * evaluations_per_step(sampling);
  return static_cast<double>(passes) / (3.0 * static_cast<double>(batch));
}

GridSchedule::GridSchedule(int64_t every, double cost) : every_(every), first_early_(every) {
  const std::vector<int64_t> steps = early_steps(every);
  const double affordable = kPictureShare * static_cast<double>(every) / cost;
  const auto count =
      std::min(std::ssize(steps), static_cast<std::ptrdiff_t>(std::min(affordable, 1e6)));
  if (count > 0) first_early_ = steps[steps.size() - static_cast<size_t>(count)];
}

bool GridSchedule::due(int64_t step) const {
  if (every_ == 0) return false;
  if (step % every_ == 0) return true;
  if (step < first_early_ || step >= every_) return false;
  int64_t leading = step;
  while (leading % 10 == 0) leading /= 10;
  return leading == 1 || leading == 2 || leading == 5;
}

data::Image side_by_side(const data::Image& left, const data::Image& right) {
  data::Image both{left.shape, {}};
  both.shape.width += right.shape.width;
  const auto row_bytes = [](const data::Image& image) {
    return static_cast<std::ptrdiff_t>(image.bytes.size()) / image.shape.height;
  };
  for (std::ptrdiff_t y = 0; y < left.shape.height; ++y) {
    for (const data::Image* image : {&left, &right}) {
      const auto row = image->bytes.begin() + y * row_bytes(*image);
      both.bytes.insert(both.bytes.end(), row, row + row_bytes(*image));
    }
  }
  return both;
}

}  // namespace ito::tools
