// The stochastic second-order sampler of Karras et al. 2022, "Elucidating the design space of
// diffusion-based generative models" (arXiv 2206.00364), for any linear SDE.
#pragma once

#include <limits>

#include "samplers/solvers/scheme.h"
#include "sde/time_grid.h"

namespace ito::samplers {

/// Along which variable the ODE is stepped. `noise`: y = x / alpha over rho = sigma / alpha, where
/// dy/drho = (y - D) / rho = -sigma s (their s(t) = 1, sigma(t) = t, algorithm 2). `time`: x over
/// t, dx/dt = f x - g^2 s / 2 (their general s(t), sigma(t), equation 4: s = alpha,
/// sigma = sigma / alpha).
enum class FlowVariable : uint8_t { noise, time };

struct EdmOptions {
  sde::TimeGrid
      grid;          ///< TimeGrid::karras is theirs; n = steps + 1 levels, the last step goes to 0
  double churn = 0;  ///< S_churn >= 0: how much noise is added, over the whole run
  double churn_min = 0, churn_max = std::numeric_limits<double>::infinity();  ///< of rho
  double churn_noise = 1;                                                     ///< S_noise
  FlowVariable variable = FlowVariable::noise;
  /// Where in a step the second stage is, in (0, 1]: 1 is Heun, 2/3 Ralston, 1/2 the midpoint
  /// (their algorithm 3).
  double second_stage = 1;
  Denoise denoise = Denoise::tweedie;  ///< their last step, from the end of the grid to 0
};

/// Each step adds noise, from rho to rho^ = rho (1 + gamma), gamma = min(S_churn / n, sqrt(2) - 1)
/// where rho is in [churn_min, churn_max], then steps the ODE from there:
///   x^ = alpha^ (x / alpha + S_noise sqrt(rho^^2 - rho^2) z),
///   x' = the step with slopes d at the start and d' at the second stage c, weighted 1 - 1/(2c) and
///        1/(2c).
/// rho^ stays below that of T, where the SDE ends. Order 2 without churn. 2 steps evaluations, one
/// more for the last step to 0, with churn as the others (Denoise::tweedie). Throws ValueError for
/// options out of range.
Scheme edm_heun(const sde::Sde& sde, const EdmOptions& options);
SampleResult sample_edm_heun(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                             const std::vector<int64_t>& samples, const EdmOptions& options,
                             const NoiseSource& noise, const Observer& observer = {});

}  // namespace ito::samplers
