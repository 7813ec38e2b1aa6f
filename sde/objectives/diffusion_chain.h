// The Markov chain of denoising diffusion and its exact posteriors (Ho et al. 2020, "Denoising
// Diffusion Probabilistic Models", eqs. 2 to 7).
#pragma once

#include <span>
#include <vector>

#include "sde/sde.h"

namespace ito::sde {

/// x_i = sqrt(1 - beta_i) x_{i-1} + sqrt(beta_i) z, i = 0 ... N - 1, after the data x_{-1}.
class DiffusionChain {
 public:
  struct Step {
    double beta;
    double alpha_bar;           ///< product of 1 - beta_j up to this step
    double alpha_bar_prev;      ///< up to the step before; 1 for the first
    double posterior_variance;  ///< of q(x_{i-1} | x_i, x_0): beta (1 - abar_prev) / (1 - abar)
    double from_x0, from_xi;    ///< its mean is from_x0 x_0 + from_xi x_i
  };

  /// Throws ValueError unless every beta is in (0, 1).
  explicit DiffusionChain(std::span<const double> betas);
  /// The DDPM table of a VP SDE. Throws UserError(bad_combination) for other SDEs.
  static DiffusionChain of(const Sde& sde, int levels);
  /// abar(t) = cos^2(pi/2 (t + 0.008) / 1.008) over its value at 0, beta <= 0.999 (Nichol and
  /// Dhariwal 2021, "Improved Denoising Diffusion Probabilistic Models", eq. 17).
  static DiffusionChain cosine(int levels);

  int levels() const { return static_cast<int>(steps_.size()); }
  const Step& at(int i) const { return steps_.at(static_cast<size_t>(i)); }
  /// ln posterior_variance; the first step, whose variance is 0, has that of the second.
  double log_posterior_variance(int i) const;
  /// The chain of the kept steps alone, with the same abar at them (the same paper, section 4).
  /// Throws ValueError unless `kept` rises and lies in [0, N).
  DiffusionChain respaced(std::span<const int> kept) const;

 private:
  std::vector<Step> steps_;
};

/// `count` of `levels` steps, spread evenly from the first to the last. Throws ValueError unless
/// 1 <= count <= levels.
std::vector<int> evenly_spaced_steps(int levels, int count);

}  // namespace ito::sde
