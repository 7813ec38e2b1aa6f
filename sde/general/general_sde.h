// SDEs whose coefficients are tensors: dx = f(x, t) dt + G(x, t) dw with a non-linear drift and a
// diffusion that is a number, a diagonal or a matrix, and may depend on the state. Ito convention.
#pragma once

#include <functional>

#include "engine/core/tensor.h"
#include "sde/general/brownian_path.h"
#include "sde/score.h"

namespace ito::sde {

/// What G(x, t) returns for x [N, d].
enum class Diffusion : uint8_t {
  scalar,    ///< [N, 1]: G = g I
  diagonal,  ///< [N, d]: G = diag(g)
  matrix,    ///< [N, d, m]: m Brownian motions
};

/// A field of the state x [N, d] and the time.
using Field = std::function<Tensor(const Tensor& x, double t)>;

/// Coefficients. Both are made of differentiable ops, where reversal or Milstein is asked for.
struct GeneralSde {
  Field drift;  ///< f(x, t) like x
  Field diffusion;
  Diffusion kind = Diffusion::scalar;
};

/// (div GG')_i = sum_j d(GG')_ij / dx_j, like x [N, d]: 0 where G does not depend on the state.
/// One vector-Jacobian product for a scalar G, d for a diagonal, d^2 for a matrix.
Tensor diffusion_divergence(const GeneralSde& sde, const Tensor& x, double t);
/// G G' v for v [N, d].
Tensor apply_covariance(const GeneralSde& sde, const Tensor& x, double t, const Tensor& v);

/// f - div(GG') - GG' s: the drift of the reverse SDE dx = drift dt + G dw with dt < 0 (Anderson
/// 1982; Song et al. 2021, appendix A). `score` is grad log p_t(x) like x.
Tensor reverse_drift(const GeneralSde& sde, const Tensor& x, double t, const Tensor& score);
/// f - div(GG') / 2 - GG' s / 2: the ODE with the same marginals (appendix D.1).
Tensor flow_drift(const GeneralSde& sde, const Tensor& x, double t, const Tensor& score);

/// The reverse process as an SDE of its own in the time tau = T - t, to be followed forwards from
/// x(T): drift -(f - div(GG') - GG' s), diffusion G, both at t = T - tau. `score` and `sde` are
/// copied.
GeneralSde reversed(const GeneralSde& sde, const ScoreFn& score, double T);

/// euler_maruyama: x' = x + f h + G dw (strong order 1/2; 1 where G does not depend on x).
/// milstein: + g g_x (dw^2 - h) / 2 for a diagonal G whose entry i depends on x_i alone
/// (Milstein 1975; strong order 1).
enum class ForwardRule : uint8_t { euler_maruyama, milstein };

/// Follows dx = f dt + G dw from x(t0) = x0 [N, d] over the increments of W, each of length h:
/// [N, d], for matrix diffusions [N, m]. Returns the states after each of them; x0 comes first.
/// Throws ValueError for milstein with another diffusion than a diagonal one, ShapeError.
std::vector<Tensor> simulate(const GeneralSde& sde, const Tensor& x0, double t0, double h,
                             const std::vector<Tensor>& increments,
                             ForwardRule rule = ForwardRule::euler_maruyama);

}  // namespace ito::sde
