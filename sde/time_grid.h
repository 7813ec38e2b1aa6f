// The times at which a sampler evaluates the score, from T down to eps. A value, not part of the
// SDE.
#pragma once

#include <utility>
#include <vector>

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

  int steps() const { return static_cast<int>(times_.size()) - 1; }
  /// Time i = 0 ... steps(). Throws ValueError for another i.
  double t(int i) const;
  /// Step i = 0 ... steps() - 1. Throws ValueError for another i.
  TimeStep step(int i) const;

 private:
  explicit TimeGrid(std::vector<double> times, double euler_step = 0)
      : times_(std::move(times)), euler_step_(euler_step) {}

  std::vector<double> times_;
  double euler_step_;  // 0: t_i - t_{i+1}
};

}  // namespace ito::sde
