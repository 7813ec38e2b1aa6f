#include "sde/objectives/contrastive.h"

#include <cmath>

#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "kernels/unary/op.h"

namespace ito::sde {

Tensor run_langevin(const ScoreAt& score, const Tensor& start, const Tensor& samples,
                    const LangevinChain& chain) {
  ITO_CHECK(chain.steps >= 1 && chain.step_size > 0, ValueError, "a chain has steps of some size",
            kv("steps", chain.steps), kv("step_size", chain.step_size));
  const NoGradScope off;
  const double noise = std::sqrt(2 * chain.step_size);
  const auto bound = [&](double value) {
    return Tensor::full(Shape{1}, value, start.dtype(), start.device());
  };
  const Tensor low = bound(-chain.limit), high = bound(chain.limit);
  Tensor x = start.detach();
  for (const Tensor& z :
       draw_projections(Projection::gaussian, x, samples, chain.steps, chain.key)) {
    const Tensor s = ops::minimum(ops::maximum(score(x), low), high);
    x = x + chain.step_size * s + noise * z;
  }
  return x;
}

Tensor contrastive_losses(const EnergyAt& energy, const Tensor& data, const Tensor& model) {
  return energy(data) - energy(model.detach());
}

}  // namespace ito::sde
