#include "samplers/sampler.h"

#include <cmath>

#include "kernels/cast/op.h"
#include "kernels/noise/op.h"
#include "kernels/scaled_sum/op.h"
#include "kernels/unary/op.h"

namespace ito::samplers {

Tensor prior_sample(const sde::Sde& sde, const Shape& sample_shape,
                    const std::vector<int64_t>& samples, const NoiseSource& noise, DType dtype) {
  const Tensor indices = Tensor::from(samples, {static_cast<int64_t>(samples.size())});
  const Tensor z = noise.recorded ? noise.recorded()
                                  : ops::noise(indices, {.kind = ops::NoiseKind::normal,
                                                         .sample_shape = sample_shape,
                                                         .dtype = dtype,
                                                         .key = {noise.seed, Purpose::prior, 0}});
  return sde.prior_std() * z;
}

Tensor denoise_tweedie(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x, double t) {
  const StepCoef c = tweedie(sde, t);
  return ops::scaled_sum(c.x, x, c.score, score(x, std::span(&t, 1)));
}

void check_finite(const Tensor& x) {
  const Tensor host = ops::cast(x.to(kCpu), DType::f64);
  for (const double v : host.span<double>()) {
    if (std::isfinite(v)) continue;
    fail(ErrorCode::not_finite, "sampling", "the result is not finite",
         "use more sampling.steps or a smaller sampling.snr");
  }
}

}  // namespace ito::samplers
