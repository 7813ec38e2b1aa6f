#include "samplers/predictors/predictor.h"

namespace ito::samplers {

StepCoef probability_flow(const sde::Sde& sde, const sde::TimeStep& step,
                          const PredictorOptions& options) {
  PredictorOptions flow = options;
  flow.process = Process::probability_flow;
  return options.rule == StepRule::table ? reverse_diffusion(sde, step, flow)
                                         : euler_maruyama(sde, step, flow);
}

}  // namespace ito::samplers
