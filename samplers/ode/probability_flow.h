// Sampling by the probability-flow ODE (Song et al. 2021, section 4.3 and appendix D.4).
#pragma once

#include "samplers/ode/integrate.h"
#include "samplers/sampler.h"

namespace ito::samplers {

struct FlowOptions {
  OdeOptions solver;
  double eps = 0;  ///< time at which sampling ends and encoding starts; 0: the SDE's own
  Denoise denoise = Denoise::tweedie;
  int levels = 1000;  ///< N of the reverse diffusion step behind Denoise::mean
};

/// dx/dt = f x - g^2 s / 2, whose solutions have the marginals of the SDE (eq. 13).
OdeRhs probability_flow_rhs(const sde::ScoreFn& score, const sde::Sde& sde);

/// From the state `x` at T down to eps. Denoise::mean is what the public implementation does: the
/// mean of one reverse diffusion step at eps. With StepControl::fixed a step is one recorded graph
/// on a GPU (see run_scheme), and observers see the time where it starts, else the time reached.
/// Adaptive control reads one number per row and attempt: the length of the next step is a function
/// of the error, so nothing of the next attempt can be given to the device before it is known.
SampleResult sample_ode(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                        const FlowOptions& options, const Observer& observer = {});

/// Throws UserError(bad_combination) for networks trained on discrete levels of VE: their labels
/// are indices, and between two of them they know nothing (continuous times are needed).
void check_flow(const sde::Sde& sde, sde::Labels labels);

}  // namespace ito::samplers
