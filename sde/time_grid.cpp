#include "sde/time_grid.h"

#include <cmath>
#include <utility>

#include "engine/core/check.h"

namespace ito::sde {
namespace {

void check_span(double T, double eps, int steps) {
  ITO_CHECK(steps >= 1, ValueError, "a time grid needs one step or more", kv("steps", steps));
  ITO_CHECK(eps >= 0 && eps < T, ValueError, "a time grid needs 0 <= eps < T", kv("eps", eps),
            kv("T", T));
}

}  // namespace

TimeGrid TimeGrid::uniform(double T, double eps, int steps) {
  check_span(T, eps, steps);
  std::vector<double> times;
  for (int i = 0; i <= steps; ++i) {
    times.push_back(std::lerp(T, eps, static_cast<double>(i) / steps));
  }
  return TimeGrid(std::move(times));
}

TimeGrid TimeGrid::song_paper(double T, double eps, int steps) {
  check_span(T, eps, steps);
  std::vector<double> times = {T};
  for (int i = 1; i < steps; ++i) {
    times.push_back(std::lerp(T, eps, static_cast<double>(i) / (steps - 1)));
  }
  times.push_back(0);
  return TimeGrid(std::move(times), T / steps);
}

double TimeGrid::t(int i) const {
  ITO_CHECK(i >= 0 && i <= steps(), ValueError, "no such time of the grid", kv("i", i),
            kv("steps", steps()));
  return times_[static_cast<size_t>(i)];
}

TimeStep TimeGrid::step(int i) const {
  ITO_CHECK(i >= 0 && i < steps(), ValueError, "no such step of the time grid", kv("i", i),
            kv("steps", steps()));
  return {.t = t(i),
          .next = t(i + 1),
          .h = euler_step_ > 0 ? euler_step_ : t(i) - t(i + 1),
          .index = i,
          .steps = steps()};
}

}  // namespace ito::sde
