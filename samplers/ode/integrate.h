// Initial value problems for batches: dy/dt = f(y, t), forwards or backwards in time.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "engine/core/tensor.h"
#include "samplers/ode/tableau.h"

namespace ito::samplers {

/// y [N, ...] at times t, one for each row or one for all, to dy/dt like y.
using OdeRhs = std::function<Tensor(const Tensor& y, std::span<const double> t)>;

/// How long the steps are. `per_sample`: every row has its own, by its own error, so that a result
/// does not depend on the rest of the batch. `whole_batch`: all rows together, by the error of all
/// (what SciPy's solve_ivp does with the batch as one vector). `fixed`: all steps equal.
enum class StepControl : uint8_t { per_sample, whole_batch, fixed };

struct OdeOptions {
  const Tableau* tableau = &tableau_by_name("dopri5");
  StepControl control = StepControl::per_sample;
  double rtol = 1e-5, atol = 1e-5;  ///< adaptive: limits of the error of a step
  int steps = 100;                  ///< fixed: how many
  int64_t most_steps = 100'000;     ///< adaptive: gives up after so many attempts
};

/// An attempt that was accepted, for observers. Rows that have arrived stay at the end.
struct OdeView {
  std::span<const double> t;  ///< one for each row, or one for all
  const Tensor& y;
};
/// Returns false to stop.
using OdeObserver = std::function<bool(const OdeView&)>;

struct OdeResult {
  Tensor y;                          ///< at t1
  std::vector<int64_t> evaluations;  ///< of f: for each row, or one for all
  std::vector<double> times;         ///< accepted times of the batch; per_sample: of row 0
  bool finished = true;              ///< false if the observer stopped the run
  int64_t most_evaluations() const;  ///< what the slowest row took: the calls of f
};

/// y(t1) from y(t0) = y0 [N, ...] of a floating dtype, in which everything is computed; times and
/// step sizes are fp64 on the host. The state stays on its device; adaptive rules read one number
/// per row and attempt. Step sizes follow Hairer, Norsett and Wanner 1993, II.4, with the constants
/// of SciPy: error norm = root mean square of error / (atol + rtol max(|y|, |y'|)), the next step
/// is 0.9 norm^(-1/5) times as long, between 0.2 and 10 times, not longer after a rejection.
/// Throws UserError(not_finite) where no step is short enough, ValueError for options out of range
/// (adaptive control needs a tableau with an error estimate).
OdeResult integrate(const OdeRhs& f, double t0, double t1, const Tensor& y0,
                    const OdeOptions& options, const OdeObserver& observer = {});

}  // namespace ito::samplers
