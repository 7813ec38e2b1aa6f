#include "sde/objectives/score_matching.h"

#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/perturb/op.h"
#include "kernels/reduce/op.h"
#include "kernels/reshape/op.h"
#include "kernels/unary/op.h"

namespace ito::sde {
namespace {

/// a . b of each sample: [N].
Tensor dots(const Tensor& a, const Tensor& b) { return ops::sum(ops::flatten(a * b), {1}); }

/// The unit vector of dimension j for every sample.
Tensor unit_vector(const Tensor& like, int64_t j) {
  const int64_t n = like.size(0), d = like.numel() / n;
  std::vector<double> values(static_cast<size_t>(like.numel()), 0.0);
  for (int64_t i = 0; i < n; ++i) values[static_cast<size_t>(i * d + j)] = 1;
  return ops::cast(Tensor::from(values, like.shape()), like.dtype()).to(like.device());
}

/// v's and v'(ds/dx)v for directions v, from derivatives. Where gradients are off, what it returns
/// is off the tape.
class Slices {
 public:
  Slices(const ScoreAt& score, const Tensor& at) : create_graph_(grad_enabled()), x_(at.detach()) {
    x_.set_requires_grad();
    const GradScope recording;
    s_ = score(x_);
  }

  Tensor half_squared_norm() const { return 0.5 * dots(score(), score()); }
  Tensor along(const Tensor& v) const { return dots(v, score()); }
  Tensor curvature(const Tensor& v) const {
    const GradOptions options{.seeds = {v}, .create_graph = create_graph_, .keep_graph = true};
    return dots(v, grad({s_}, {x_}, options)[0]);
  }

 private:
  Tensor score() const { return create_graph_ ? s_ : s_.detach(); }

  bool create_graph_;
  Tensor x_, s_;
};

Tensor implicit(const ScoreAt& score, const Tensor& x) {
  const Slices slices(score, x);
  Tensor loss = slices.half_squared_norm();
  for (int64_t j = 0; j < x.numel() / x.size(0); ++j) {
    loss = loss + slices.curvature(unit_vector(x, j));
  }
  return loss;
}

Tensor sliced(const ScoreAt& score, const Tensor& x, const std::vector<Tensor>& directions) {
  const Slices slices(score, x);
  Tensor total;
  for (const Tensor& v : directions) {
    const Tensor term = slices.curvature(v) + 0.5 * ops::square(slices.along(v));
    total = total ? total + term : term;
  }
  return total / static_cast<double>(directions.size());
}

Tensor sliced_vr(const ScoreAt& score, const Tensor& x, const std::vector<Tensor>& directions) {
  const Slices slices(score, x);
  Tensor total;
  for (const Tensor& v : directions) {
    const Tensor term = slices.curvature(v);
    total = total ? total + term : term;
  }
  return total / static_cast<double>(directions.size()) + slices.half_squared_norm();
}

Tensor finite_difference(const ScoreAt& score, const Tensor& x, double h,
                         const std::vector<Tensor>& directions) {
  ITO_CHECK(h > 0, ValueError, "a finite difference needs a positive step", kv("step", h));
  Tensor total;
  for (const Tensor& v : directions) {
    const Tensor above = dots(v, score(x + h * v)), below = dots(v, score(x - h * v));
    const Tensor term = (above - below) / (2 * h) + 0.125 * ops::square(above + below);
    total = total ? total + term : term;
  }
  return total / static_cast<double>(directions.size());
}

}  // namespace

Tensor score_matching_losses(const ScoreAt& score, const Tensor& x, const Tensor& samples,
                             const ScoreMatching& how) {
  using Kind = ScoreMatching::Kind;
  if (how.kind == Kind::implicit) return implicit(score, x);
  if (how.kind == Kind::sliced_vr && how.projection == Projection::unit_sphere) {
    fail(ErrorCode::bad_combination, "objective.projection", "is unit_sphere with ssm_vr",
         "use rademacher, gaussian or sphere, whose E[v v'] is the identity");
  }
  const auto directions = draw_projections(how.projection, x, samples, how.particles, how.key);
  if (how.kind == Kind::sliced) return sliced(score, x, directions);
  if (how.kind == Kind::sliced_vr) return sliced_vr(score, x, directions);
  return finite_difference(score, x, how.step, directions);
}

Tensor score_matching_losses(const NetworkFn& network, const Tensor& x0,
                             std::span<const NoiseLevel> levels, const Tensor& samples,
                             NoiseKey noise, Reduction reduction, const ScoreMatching& how) {
  const LevelTensors at(levels, x0);
  const Tensor xt = ops::perturb(x0, at.mean, at.std, samples, noise).x_t;
  // In units of the noise, u = x_t / std, the score is std s = k n, and the objective is that of x
  // times std^2.
  const Tensor std = over_samples(at.std, x0), k = over_samples(at.k, x0);
  const ScoreAt score = [&](const Tensor& u) { return k * network(std * u, at.label); };
  const Tensor losses = score_matching_losses(score, xt / std, samples, how);
  const auto d = static_cast<double>(x0.numel() / x0.size(0));
  return losses * (reduction == Reduction::mean ? 2 / d : 1.0) * at.weight;
}

Tensor fisher_divergences(const ScoreAt& score, const ScoreAt& target, const Tensor& x) {
  const Tensor error = score(x) - target(x);
  return 0.5 * dots(error, error);
}

}  // namespace ito::sde
