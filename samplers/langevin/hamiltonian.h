// Markov chains with a test of acceptance, for densities that are known up to a factor (energy
// models): Hamiltonian Monte Carlo and the Metropolis-adjusted Langevin algorithm. Song et al.
// 2021, section 4.2, allow any such chain as a corrector: bind the time of the density in the
// callable.
#pragma once

#include <functional>
#include <vector>

#include "samplers/sampler.h"

namespace ito::samplers {

struct LogDensity {
  Tensor value;     ///< [N], log p up to a constant
  Tensor gradient;  ///< grad_x log p, like x
};
/// log p of each sample of x [N, ...] and its gradient, f32 or f64.
using DensityFn = std::function<LogDensity(const Tensor& x)>;

/// The gradient by reverse-mode differentiation of log_p: x [N, ...] to [N], where each value
/// depends on its own sample.
DensityFn density_of(std::function<Tensor(const Tensor& x)> log_p);

/// Position and momentum.
struct Phase {
  Tensor x, p;
  LogDensity density;  ///< at x
};

/// `steps` leapfrog steps of length h of the Hamiltonian -log p(x) + |p|^2 / 2 (Neal 2011, eq. 2.28
/// to 2.30): p += (h/2) grad, x += h p, p += (h/2) grad. Reversible, preserves volume, second
/// order. One evaluation of the density per step.
Phase leapfrog(const DensityFn& density, Phase from, double h, int steps);

struct HmcOptions {
  double step = 0.1;        ///< h of the leapfrog
  int leapfrog_steps = 10;  ///< per proposal
  int iterations = 100;
};
/// The Metropolis-adjusted Langevin algorithm (Roberts and Tweedie 1996), whose proposal is
/// x + e grad + sqrt(2 e) z: Hamiltonian Monte Carlo with one leapfrog step of length sqrt(2 e),
/// with the same proposal and the same probability of acceptance.
HmcOptions mala(double step, int iterations);

struct HmcResult {
  Tensor x;
  std::vector<double> acceptance;  ///< accepted share of the proposals, one per sample
  int64_t evaluations = 0;         ///< of the density, per sample
  bool finished = true;            ///< false if the observer stopped the run
};

/// Hamiltonian Monte Carlo (Duane et al. 1987; Neal 2011): a momentum from N(0, I), leapfrog steps,
/// accepted with probability min(1, exp(H - H')). Energies have the dtype of x. A proposal that is
/// not finite is rejected. Draws are by counter, momentum (seed, corrector, 2 i) and acceptance
/// (seed, corrector, 2 i + 1), so a sample depends on its index alone; recorded draws are momenta.
/// The loop does not wait for the device. Leaves p invariant for every step size. The observer's
/// times are 0. Throws ValueError for options out of range, UserError(not_finite).
HmcResult sample_hmc(const DensityFn& density, const Tensor& x, const std::vector<int64_t>& samples,
                     const HmcOptions& options, const NoiseSource& noise,
                     const Observer& observer = {});

}  // namespace ito::samplers
