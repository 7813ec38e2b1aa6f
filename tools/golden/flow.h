// What cases of the probability-flow ODE have in common.
#pragma once

#include "samplers/ode/probability_flow.h"
#include "tools/golden/score_of.h"

namespace ito::golden {

/// The solver of the reference: one step for the whole batch, with the case's tolerances.
samplers::OdeOptions solver_of(const CaseRun& run);

/// The score of the case for fp64 states: evaluated in the precision of the run, as the reference
/// evaluates its network in fp32 between the fp64 stages of the solver.
sde::ScoreFn score_in_precision(const CaseRun& run, std::shared_ptr<const sde::Sde> sde);

/// How an array is measured: its largest difference from the file's, in units of `unit`, or the
/// relative L2 error.
struct Closeness {
  enum class Measure : uint8_t { largest, relative } measure = Measure::largest;
  double limit = 0;
  double unit = 1;
};
/// The measure of states: the largest difference (limit `gaussian`) for the exact score of Gaussian
/// data, relative L2 (limit `network`) for a network.
Closeness state_closeness(const CaseRun& run, double gaussian, double network);
void expect_close(CaseRun& run, const std::string& name, const Tensor& ours,
                  const Closeness& closeness);

}  // namespace ito::golden
