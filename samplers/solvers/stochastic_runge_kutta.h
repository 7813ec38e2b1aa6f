// Stochastic Runge-Kutta solvers of the reverse SDE, whose noise is additive: g depends on t alone
// (Song et al. 2021, section 4.1, names them). With tau = T - t the reverse SDE of a linear SDE is
//   dx = a(x, t) dtau + g(t) dw,  a = -f x + g^2 s.
#pragma once

#include "samplers/solvers/scheme.h"
#include "sde/time_grid.h"

namespace ito::samplers {

struct RungeKuttaOptions {
  sde::TimeGrid grid;
  Denoise denoise = Denoise::tweedie;
};

/// Stochastic Heun, for a step from t to u with h = t - u and one draw z:
///   x~ = x + a(x, t) h + g(t) sqrt(h) z,
///   x' = x + (a(x, t) + a(x~, u)) h / 2 + (g(t) + g(u)) sqrt(h) z / 2.
/// Weak order 2, strong order 1. Two evaluations per step.
Scheme stochastic_heun(const sde::Sde& sde, const sde::TimeGrid& grid);
SampleResult sample_stochastic_heun(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                                    const std::vector<int64_t>& samples,
                                    const RungeKuttaOptions& options, const NoiseSource& noise,
                                    const Observer& observer = {});

/// SRA1 (Roessler 2010), strong order 1.5 for additive noise. With two draws z, y per step,
/// I1 = sqrt(h) z = int dw and I10 / h = sqrt(h) (z + y / sqrt(3)) / 2 = int int dw ds / h:
///   H = x + (3/4) h a(x, t) + (3/2) g(u) I10 / h,
///   x' = x + h (a(x, t) / 3 + 2 a(H, t - 3h/4) / 3) + g(u) I1 + (g(t) - g(u)) I10 / h.
/// Two evaluations per step.
Scheme sra1(const sde::Sde& sde, const sde::TimeGrid& grid);
SampleResult sample_sra1(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                         const std::vector<int64_t>& samples, const RungeKuttaOptions& options,
                         const NoiseSource& noise, const Observer& observer = {});

}  // namespace ito::samplers
