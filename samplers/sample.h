// Every sampler by its name in the section [sampling].
#pragma once

#include "samplers/config.h"
#include "samplers/sampler.h"

namespace ito::samplers {

/// Product defaults, or the published code to the letter (contracts: reference mode), which exists
/// for pc and ode.
enum class SamplingMode : uint8_t { product, reference };

/// Samples from the state `x` at T by config.method: pc, ode, stochastic_heun, sra1, adaptive, edm,
/// dpm_solver or annealed_langevin. Throws UserError for values that do not fit.
SampleResult sample(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                    const std::vector<int64_t>& samples, const SamplingConfig& config,
                    SamplingMode mode, const NoiseSource& noise, const Observer& observer = {});

/// Steps that sample() reports to an observer; 0 where the solver chooses as it goes.
int64_t observed_steps(const SamplingConfig& config);

}  // namespace ito::samplers
