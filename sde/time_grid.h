// The times at which a sampler evaluates the score, from T down to eps. A value, not part of the
// SDE.
#pragma once

#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "sde/sde.h"

namespace ito::sde {

/// One step of a sampler.
struct TimeStep {
  double t;     ///< where the score is evaluated
  double next;  ///< where the step ends, < t
  double h;     ///< the step size of Euler rules; t - next except on the published grid
  int index;    ///< 0 ... steps - 1
  int steps;    ///< steps of the whole grid: the N of the discrete tables
};

/// Times are computed as fractions of the span, never by accumulation.
class TimeGrid {
 public:
  /// t_i = T + (i / N)(eps - T), i = 0 ... N: N equal steps that end at eps exactly. Throws
  /// ValueError unless steps >= 1 and 0 <= eps < T.
  static TimeGrid uniform(double T, double eps, int steps);

  /// The grid of the reference implementation of Song et al. 2021: score evaluations at
  /// linspace(T, eps, N), but every Euler step of size T/N. After the last evaluation, at eps, the
  /// step ends at 0. Throws as uniform does.
  static TimeGrid song_paper(double T, double eps, int steps);

  /// t_i = (sqrt(T) + (i / N)(sqrt(eps) - sqrt(T)))^2: short steps near eps (the quadratic grid of
  /// Song et al. 2021, "Denoising diffusion implicit models", and of DPM-Solver).
  static TimeGrid quadratic(double T, double eps, int steps);

  // Grids on which a function of the noise is equally spaced, from T down to eps. All find the
  // times by bisection, need sigma(eps) > 0 and throw as uniform does.

  /// sigma(t) in geometric progression: the levels of SMLD for a VE SDE.
  static TimeGrid geometric(const Sde& sde, double eps, int steps);
  /// lambda = ln(alpha / sigma) equally spaced (Lu et al. 2022, DPM-Solver).
  static TimeGrid uniform_lambda(const Sde& sde, double eps, int steps);
  /// (sigma / alpha)^(1 / rho) equally spaced (Karras et al. 2022, eq. 5).
  static TimeGrid karras(const Sde& sde, double eps, int steps, double rho = 7);
  /// atan(sigma / alpha) equally spaced: the noise levels of a cosine schedule (Nichol and Dhariwal
  /// 2021), whatever the SDE.
  static TimeGrid cosine(const Sde& sde, double eps, int steps);

  /// Given times, strictly descending and not negative; two or more. Throws ValueError.
  static TimeGrid from_times(std::vector<double> times);

  std::span<const double> times() const { return times_; }
  int steps() const { return static_cast<int>(times_.size()) - 1; }
  /// Time i = 0 ... steps(). Throws ValueError for another i.
  double t(int i) const;
  /// Step i = 0 ... steps() - 1. Throws ValueError for another i.
  TimeStep step(int i) const;

 private:
  static TimeGrid spaced(const Sde& sde, double eps, int steps,
                         const std::function<double(double t)>& noise);
  explicit TimeGrid(std::vector<double> times, double euler_step = 0)
      : times_(std::move(times)), euler_step_(euler_step) {}

  std::vector<double> times_;
  double euler_step_;  // 0: t_i - t_{i+1}
};

/// The time in [low, high] at which the increasing function `noise` has a value, by bisection to
/// the last bit; an end of the interval for values beyond it.
double time_at(const std::function<double(double t)>& noise, double value, double low, double high);
/// The time in [0, T] at which sigma / alpha is `ratio`.
double time_at_ratio(const Sde& sde, double ratio);

}  // namespace ito::sde
