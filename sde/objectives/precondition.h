// Networks as denoisers (Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based
// Generative Models", table 1):
//   D(x; sigma) = c_skip x + c_out F(c_in x; c_noise),   score = (D(x; sigma) - x) / sigma^2,
// for x = data + sigma z. The score is that of a variance-exploding SDE.
#pragma once

#include "sde/score.h"

namespace ito::sde {

/// |       | c_skip           | c_out                   | c_in              | c_noise          |
/// | edm   | sd^2/(s^2+sd^2)  | s sd / sqrt(s^2+sd^2)   | 1/sqrt(s^2+sd^2)  | ln(s) / 4        |
/// | ve    | 1                | s                       | 1                 | ln(s / 2)        |
/// | vp    | 1                | -s                      | 1 / sqrt(s^2+1)   | 999 t(s)         |
/// | iddpm | 1                | -s                      | 1 / sqrt(s^2+1)   | nearest level    |
/// with s = sigma, sd = sigma_data.
enum class PreconditionKind : uint8_t { edm, ve, vp, iddpm };

/// What a network does with its label first: networks with Fourier features take its logarithm, and
/// are therefore given exp(c_noise) by edm and ve.
enum class LabelUse : uint8_t { direct, logarithm };

struct Precondition {
  PreconditionKind kind = PreconditionKind::edm;
  LabelUse label_use = LabelUse::direct;
  double sigma_data = 0.5;               ///< edm: standard deviation of the data
  double beta_min = 0.1, beta_max = 20;  ///< vp: of the SDE
  int levels = 1000;                     ///< iddpm: of the cosine schedule

  /// D(x; sigma). x [N, ...] f32 or f64, sigma [N] > 0 of x's dtype. Differentiable.
  Tensor denoise(const NetworkFn& network, const Tensor& x, const Tensor& sigma) const;
  /// (x, sigma) -> (D(x; sigma) - x) / sigma^2, computed without that difference: a network in the
  /// sense of sde::NetworkFn for a VE SDE, whose continuous labels are sigma.
  NetworkFn score(NetworkFn network) const;
  /// Weight of |D - x_0|^2 in training: (s^2 + sd^2) / (s sd)^2 (edm), 1 / s^2 (the others).
  double training_weight(double sigma) const;

 private:
  struct Scales {
    Tensor slope;  ///< (c_skip - 1) / sigma^2, undefined for 0
    Tensor out, in, label;
  };
  Scales scales(const Tensor& sigma) const;
  Tensor label(const Tensor& sigma) const;
};

/// F of a VE network of score_sde, whose data is in [0, 1] and which divides by sigma itself, for
/// Precondition `ve` with LabelUse::logarithm and data in [-1, 1]: F(y, s/2) = s/2 n((y+1)/2, s/2).
NetworkFn ve_network_for_centered_data(NetworkFn network);

}  // namespace ito::sde
