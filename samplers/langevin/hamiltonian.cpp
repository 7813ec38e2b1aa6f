#include "samplers/langevin/hamiltonian.h"

#include <cmath>

#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/noise/op.h"
#include "kernels/reduce/op.h"
#include "kernels/reshape/op.h"
#include "kernels/scaled_sum/op.h"
#include "kernels/unary/op.h"
#include "samplers/solvers/rows.h"

namespace ito::samplers {
namespace {

/// log p(x) - |p|^2 / 2, the negative energy, [N].
Tensor log_joint(const Phase& s) {
  return s.density.value - 0.5 * ops::sum(ops::flatten(ops::square(s.p)), {1});
}

class Draws {
 public:
  Draws(const NoiseSource& noise, const std::vector<int64_t>& samples, const Tensor& like)
      : noise_(noise),
        samples_(Tensor::from(samples, {static_cast<int64_t>(samples.size())}, like.device())),
        dtype_(like.dtype()) {
    std::vector<int64_t> shape;
    for (int i = 1; i < like.rank(); ++i) shape.push_back(like.size(i));
    shape_ = Shape(std::span<const int64_t>(shape));
  }
  Tensor momentum(int i) const {
    if (noise_.recorded) return noise_.recorded();
    return draw(ops::NoiseKind::normal, shape_, dtype_, 2 * i);
  }
  /// log of a uniform number in (0, 1], [N].
  Tensor log_threshold(int i) const {
    const Tensor u = draw(ops::NoiseKind::uniform, Shape{1}, dtype_, 2 * i + 1);
    return ops::log(1.0 - ops::reshape(u, {u.size(0)}));
  }

 private:
  Tensor draw(ops::NoiseKind kind, const Shape& shape, DType dtype, int step) const {
    return ops::noise(samples_,
                      {.kind = kind,
                       .sample_shape = shape,
                       .dtype = dtype,
                       .key = {noise_.seed, Purpose::corrector, static_cast<uint32_t>(step)}});
  }

  const NoiseSource& noise_;
  const Tensor samples_;
  const DType dtype_;
  Shape shape_;
};

}  // namespace

DensityFn density_of(std::function<Tensor(const Tensor&)> log_p) {
  return [log_p = std::move(log_p)](const Tensor& x) -> LogDensity {
    const GradScope on;
    Tensor leaf = x.detach();
    leaf.set_requires_grad();
    const Tensor value = log_p(leaf);
    return {value.detach(), grad(ops::sum(value), {leaf})[0]};
  };
}

Phase leapfrog(const DensityFn& density, Phase s, double h, int steps) {
  for (int i = 0; i < steps; ++i) {
    const Tensor half = ops::scaled_sum(1, s.p, h / 2, s.density.gradient);
    s.x = ops::scaled_sum(1, s.x, h, half);
    s.density = density(s.x);
    s.p = ops::scaled_sum(1, half, h / 2, s.density.gradient);
  }
  return s;
}

HmcOptions mala(double step, int iterations) {
  ITO_CHECK(step > 0, ValueError, "a Langevin step is positive", kv("step", step));
  return {.step = std::sqrt(2 * step), .leapfrog_steps = 1, .iterations = iterations};
}

HmcResult sample_hmc(const DensityFn& density, const Tensor& start,
                     const std::vector<int64_t>& samples, const HmcOptions& o,
                     const NoiseSource& noise, const Observer& observer) {
  ITO_CHECK(o.step > 0 && o.leapfrog_steps >= 1 && o.iterations >= 1, ValueError,
            "HMC takes steps and a step size", kv("step", o.step),
            kv("leapfrog_steps", o.leapfrog_steps), kv("iterations", o.iterations));
  const NoGradScope off;
  const Draws draws(noise, samples, start);
  Phase state{start, {}, density(start)};
  HmcResult result;
  result.evaluations = 1;
  Tensor accepted;
  int done = 0;
  while (done < o.iterations && result.finished) {
    state.p = draws.momentum(done);
    const Phase proposal = leapfrog(density, state, o.step, o.leapfrog_steps);
    const Tensor log_ratio = log_joint(proposal) - log_joint(state);
    const Tensor pick = ops::greater_equal(log_ratio, draws.log_threshold(done));
    state.x = select_rows(state.x, proposal.x, pick);
    state.density = {select_rows(state.density.value, proposal.density.value, pick),
                     select_rows(state.density.gradient, proposal.density.gradient, pick)};
    accepted = accepted ? accepted + pick : pick;
    result.evaluations += o.leapfrog_steps;
    if (observer && observer({done, o.iterations, 0, state.x, state.x}) == Verdict::stop) {
      result.finished = false;
    }
    ++done;
  }
  result.x = state.x;
  result.acceptance = ops::cast((accepted / done).to(kCpu), DType::f64).to_vector<double>();
  check_finite(result.x);
  return result;
}

}  // namespace ito::samplers
