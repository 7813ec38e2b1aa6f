// DPM-Solver++ (Lu et al. 2022, "DPM-Solver++: Fast solver for guided sampling of diffusion
// probabilistic models", arXiv 2211.01095), for any linear SDE.
#pragma once

#include "samplers/solvers/scheme.h"
#include "sde/time_grid.h"

namespace ito::samplers {

/// first: DPM-Solver++1, the same as DDIM without noise. second_multistep: DPM-Solver++(2M), which
/// uses the estimate of the step before.
enum class DpmOrder : uint8_t { first, second_multistep };

/// What happens to the last step of 2M, where lambda changes most: nothing, or order one.
enum class LastStep : uint8_t { as_others, first_order };

struct DpmOptions {
  sde::TimeGrid grid;  ///< uniform, uniform_lambda or quadratic
  DpmOrder order = DpmOrder::second_multistep;
  LastStep last = LastStep::as_others;
  /// Dynamic thresholding (Saharia et al. 2022, section 2.3): each estimate of x_0 is divided by s,
  /// the given quantile of its absolute values in [0, 1] or 1 where that is less, and cut to
  /// [-1, 1]; data in [0, 1] is mapped there and back. 0: off; 0.995 is theirs.
  double threshold = 0;
  Denoise denoise = Denoise::none;
};

/// With lambda = ln(alpha / sigma), h_i = lambda_i - lambda_{i-1}, x0_i = (x_i + sigma^2 s) / alpha
/// and r = h_{i-1} / h_i:
///   D = (1 + 1/(2r)) x0_{i-1} - x0_{i-2} / (2r)       (first step, first order: x0_{i-1})
///   x_i = (sigma_i / sigma_{i-1}) x_{i-1} - alpha_i (e^(-h_i) - 1) D.
/// One evaluation per step. Needs sigma > 0 on the grid; throws ValueError where it is 0, or for a
/// threshold outside [0, 1].
Scheme dpm_solver(const sde::Sde& sde, const DpmOptions& options);
SampleResult sample_dpm_solver(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                               const std::vector<int64_t>& samples, const DpmOptions& options,
                               const NoiseSource& noise, const Observer& observer = {});

/// The estimate with its largest values pulled in, see DpmOptions::threshold; centred data. The
/// quantile is interpolated between order statistics. No host synchronisation.
Tensor dynamic_threshold(const Tensor& estimate, double quantile);

}  // namespace ito::samplers
