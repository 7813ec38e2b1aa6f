#include "sde/time_grid.h"

#include <cmath>
#include <numeric>
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

TimeGrid TimeGrid::quadratic(double T, double eps, int steps) {
  check_span(T, eps, steps);
  std::vector<double> times = {T};
  for (int i = 1; i < steps; ++i) {
    const double root = std::lerp(std::sqrt(T), std::sqrt(eps), static_cast<double>(i) / steps);
    times.push_back(root * root);
  }
  times.push_back(eps);
  return TimeGrid(std::move(times));
}

TimeGrid TimeGrid::spaced(const Sde& sde, double eps, int steps,
                          const std::function<double(double)>& noise) {
  check_span(sde.T(), eps, steps);
  ITO_CHECK(sde.sigma(eps) > 0, ValueError, "no noise at the end of the grid", kv("eps", eps));
  const double first = noise(sde.T()), last = noise(eps);
  std::vector<double> times = {sde.T()};
  for (int i = 1; i < steps; ++i) {
    const double value = std::lerp(first, last, static_cast<double>(i) / steps);
    times.push_back(time_at(noise, value, eps, sde.T()));
  }
  times.push_back(eps);
  return from_times(std::move(times));
}

TimeGrid TimeGrid::geometric(const Sde& sde, double eps, int steps) {
  return spaced(sde, eps, steps, [&](double t) { return std::log(sde.sigma(t)); });
}

TimeGrid TimeGrid::uniform_lambda(const Sde& sde, double eps, int steps) {
  return spaced(sde, eps, steps, [&](double t) { return std::log(sde.sigma(t) / sde.alpha(t)); });
}

TimeGrid TimeGrid::karras(const Sde& sde, double eps, int steps, double rho) {
  ITO_CHECK(rho > 0, ValueError, "rho is positive", kv("rho", rho));
  return spaced(sde, eps, steps,
                [&](double t) { return std::pow(sde.sigma(t) / sde.alpha(t), 1 / rho); });
}

TimeGrid TimeGrid::cosine(const Sde& sde, double eps, int steps) {
  return spaced(sde, eps, steps, [&](double t) { return std::atan2(sde.sigma(t), sde.alpha(t)); });
}

TimeGrid TimeGrid::from_times(std::vector<double> times) {
  ITO_CHECK(times.size() >= 2, ValueError, "a time grid needs two times or more",
            kv("times", times.size()));
  for (size_t i = 1; i < times.size(); ++i) {
    ITO_CHECK(times[i] < times[i - 1], ValueError, "times must descend", kv("i", i),
              kv("t", times[i]), kv("before", times[i - 1]));
  }
  ITO_CHECK(times.back() >= 0 && std::isfinite(times.front()), ValueError,
            "times are finite and not negative", kv("first", times.front()),
            kv("last", times.back()));
  return TimeGrid(std::move(times));
}

double time_at(const std::function<double(double)>& noise, double value, double low, double high) {
  if (noise(low) >= value) return low;
  if (noise(high) <= value) return high;
  for (;;) {
    const double middle = std::midpoint(low, high);
    if (middle <= low || middle >= high) return low;
    (noise(middle) < value ? low : high) = middle;
  }
}

double time_at_ratio(const Sde& sde, double ratio) {
  return time_at([&](double t) { return sde.sigma(t) / sde.alpha(t); }, ratio, 0, sde.T());
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
