#include "sde/objectives/edm.h"

#include <cmath>

#include "kernels/binary/op.h"
#include "kernels/perturb/op.h"
#include "kernels/reduce/op.h"
#include "kernels/reshape/op.h"
#include "kernels/unary/op.h"

namespace ito::sde {

double LogNormalSigma::operator()(double normal) const { return std::exp(mean + std * normal); }

Tensor edm_losses(const NetworkFn& network, const Precondition& how, const Tensor& x0,
                  std::span<const double> sigmas, const Tensor& samples, NoiseKey key,
                  Reduction reduction) {
  std::vector<double> weights;
  for (const double sigma : sigmas) weights.push_back(how.training_weight(sigma));
  const Tensor sigma = per_sample(sigmas, x0);
  const Tensor x = ops::perturb(x0, per_sample(std::vector{1.0}, x0), sigma, samples, key).x_t;
  const Tensor squares = ops::flatten(ops::square(how.denoise(network, x, sigma) - x0));
  const Tensor reduced =
      reduction == Reduction::mean ? ops::mean(squares, {1}) : 0.5 * ops::sum(squares, {1});
  return reduced * per_sample(weights, x0);
}

}  // namespace ito::sde
