// Denoising score matching, continuous and discrete: one loss, four numbers per sample.
//
// With x_t = mean x_0 + std z and a network n whose score is c n, every published objective is
//   R[(k n(x_t, label) + z)^2] * weight,   k = c std,
// where R is the mean over pixels or half their sum:
//   continuous DSM (Song et al. 2021, eq. 7)      weight 1            (lambda = std^2)
//   likelihood weighting (lambda = g^2)           weight g^2 / std^2
//   SMLD (eq. 1)                                  k = sigma_i, mean 1, std sigma_i
//   DDPM (eq. 3)                                  k = -1, mean sqrt(abar_i), std sqrt(1 - abar_i)
#pragma once

#include "engine/random/noise.h"
#include "sde/score.h"

namespace ito::sde {

/// Where one sample of a batch is perturbed to, and how its error counts.
struct NoiseLevel {
  double mean, std;  ///< x_t = mean x_0 + std z
  double label;      ///< what the network is told
  double k;          ///< the network's output times k estimates -z
  double weight;
};

/// Noise levels as tensors [N] of `like`'s dtype on its device.
struct LevelTensors {
  Tensor mean, std, label, k, weight;
  /// Throws ShapeError unless there is one level for each sample of `like` [N, ...].
  LevelTensors(std::span<const NoiseLevel> levels, const Tensor& like);
};

enum class Weighting : uint8_t { std2, likelihood };
enum class Reduction : uint8_t { mean, half_sum };

/// Level of a continuous time t in (0, T].
NoiseLevel continuous_level(const Sde& sde, double t, Weighting weighting);
/// Level i of N discrete ones, 0 <= i < N: SMLD for VE (i = 0 is the largest sigma), DDPM for VP.
/// Throws UserError(bad_combination) for SDEs without a discrete objective.
NoiseLevel discrete_level(const Sde& sde, int i, int levels);
/// The time at which the SDE's noise has the standard deviation `sigma`. Throws
/// UserError(bad_value) if it never has.
double time_of_sigma(const Sde& sde, double sigma);
/// One noise level alone: |s + z / sigma|^2 unweighted (Vincent 2011), lambda = 1.
NoiseLevel single_level(const Sde& sde, double sigma);

/// Loss of each sample [N]. x0 [N, ...]; samples i64 [N] choose the noise, unless z [N, ...] is
/// given. Differentiable. Throws ShapeError if the counts differ.
Tensor denoising_losses(const NetworkFn& network, const Tensor& x0,
                        std::span<const NoiseLevel> levels, const Tensor& samples, NoiseKey key,
                        Reduction reduction, const Tensor& z = {});

}  // namespace ito::sde
