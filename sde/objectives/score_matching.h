// Score matching without a known target: from samples of a density p alone, find s = grad log p.
//
// Hyvarinen 2005: up to a constant, E |s - grad log p|^2 / 2 = E[|s|^2 / 2 + tr(ds/dx)]. The kinds
// differ in how they get the trace (spec 2.4):
//   implicit           tr(ds/dx) exactly: one vector-Jacobian product per dimension
//   sliced             E_v[v'(ds/dx)v + (v's)^2 / 2]         (Song et al. 2019, eq. 8: SSM)
//   sliced_vr          E_v[v'(ds/dx)v] + |s|^2 / 2           (the same paper, SSM-VR)
//   finite_difference  sliced, with v'(ds/dx)v and v's from s(x + h v) and s(x - h v): no second
//                      derivatives, an error of O(h^2)       (after Pang et al. 2020, FD-SSM)
// The first three differentiate s twice; the network's ops allow that.
#pragma once

#include <functional>

#include "sde/objectives/denoising.h"
#include "sde/objectives/projection.h"

namespace ito::sde {

/// A score at one noise level: x [N, ...] to a tensor like x. Sample n of the result may depend on
/// sample n of x alone.
using ScoreAt = std::function<Tensor(const Tensor& x)>;

struct ScoreMatching {
  enum class Kind : uint8_t { implicit, sliced, sliced_vr, finite_difference };
  Kind kind = Kind::sliced_vr;
  Projection projection = Projection::rademacher;
  int particles = 1;   ///< directions per sample, averaged
  double step = 0.01;  ///< finite_difference: h > 0, in units of x
  NoiseKey key;        ///< of the directions
};

/// Loss of each sample [N]: |s|^2 / 2 + tr(ds/dx), or its estimate. x [N, ...] f32 or f64; samples
/// i64 [N] choose the directions. Differentiable in the parameters of `score` where gradients are
/// recorded. Throws UserError(bad_combination) for sliced_vr on the unit sphere, where the two
/// terms would be scaled differently.
Tensor score_matching_losses(const ScoreAt& score, const Tensor& x, const Tensor& samples,
                             const ScoreMatching& how);

/// The same at noise levels, one per sample: weight std^2 (|s|^2 / 2 + tr(ds/dx)) at x_t = mean x_0
/// + std z, with the network's score s = k n / std. Discrete levels: annealed score matching (Song
/// and Ermon 2019); continuous ones: sliced score matching over time (Song et al. 2021, eq. 19).
/// With Reduction::mean times 2 / d, so that it is to the sum as in denoising_losses. `step` is in
/// units of std.
Tensor score_matching_losses(const NetworkFn& network, const Tensor& x0,
                             std::span<const NoiseLevel> levels, const Tensor& samples,
                             NoiseKey noise, Reduction reduction, const ScoreMatching& how);

/// |s - target|^2 / 2 of each sample [N]: the Fisher divergence, where the true score is known.
Tensor fisher_divergences(const ScoreAt& score, const ScoreAt& target, const Tensor& x);

}  // namespace ito::sde
