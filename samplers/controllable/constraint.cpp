#include "samplers/controllable/constraint.h"

#include "kernels/advance/op.h"
#include "kernels/cast/op.h"
#include "kernels/scaled_sum/op.h"

namespace ito::samplers {

ImposedData::ImposedData(const DataConstraint& constraint, std::span<const NoiseLevel> levels,
                         const std::vector<int64_t>& samples, const NoiseSource& noise,
                         const Tensor& like, uint32_t first_step)
    : constraint_(constraint),
      row_(Tensor::zeros({1}, DType::i64, like.device())),
      samples_(Tensor::from(samples, {static_cast<int64_t>(samples.size())}, like.device())),
      noise_(noise),
      key_{noise.seed, Purpose::constraint, first_step} {
  ITO_CHECK(constraint.weight >= 0 && constraint.weight <= 1, ValueError,
            "the weight of a constraint is in [0, 1]", kv("weight", constraint.weight));
  const Tensor& y = constraint.y;
  ITO_CHECK(y.size(0) == like.size(0), ShapeError, "one measurement for each sample",
            kv("y", y.shape()), kv("x", like.shape()));
  known_ = ops::cast(y, like.dtype()).to(like.device());
  if (constraint.measurement.rows == LinearMeasurement::Rows::general)
    known_ = constraint.measurement.pseudo_inverse(known_);
  std::vector<double> table;  // yhat = alpha y + 0 + sigma z
  for (const NoiseLevel& level : levels) table.insert(table.end(), {level.alpha, 0, level.sigma});
  levels_ = Tensor::from(table, {static_cast<int64_t>(levels.size()), 3}, like.device());
}

ops::StepResult ImposedData::impose(const ops::StepResult& state) const {
  const Tensor z = noise_.recorded ? noise_.recorded() : Tensor();
  const ops::StepResult drawn =
      ops::affine_noise_step(known_, known_, levels_, row_, samples_, z, {.key = key_});
  ops::advance(row_);
  const Tensor x = replace(state.x, in_image(drawn.x));
  const bool own_mean = constraint_.rule == ConstraintRule::exact;
  return {x, replace(own_mean ? state.mean : x, in_image(drawn.mean))};
}

Tensor ImposedData::impose_clean(const Tensor& x) const { return replace(x, in_image(known_)); }

/// A+ yhat for a measurement; for general rows the known part A+ A of an image.
Tensor ImposedData::in_image(const Tensor& known) const {
  const LinearMeasurement& m = constraint_.measurement;
  return m.pseudo_inverse(m.rows == LinearMeasurement::Rows::general ? m.apply(known) : known);
}

/// x - w A+ A x + w known: the two sums are exact where A selects pixels and w = 1.
Tensor ImposedData::replace(const Tensor& x, const Tensor& known) const {
  const LinearMeasurement& m = constraint_.measurement;
  const double w = constraint_.weight;
  const Tensor unknown = ops::scaled_sum(1, x, -w, m.pseudo_inverse(m.apply(x)));
  return ops::scaled_sum(1, unknown, w, known);
}

Tensor constrained_start(const DataConstraint& constraint, const sde::Sde& sde, const Tensor& prior,
                         const std::vector<int64_t>& samples, const NoiseSource& noise) {
  const NoiseLevel level = noise_level(sde, sde.T());
  const ImposedData data(constraint, std::span(&level, 1), samples, noise, prior, 0);
  return constraint.rule == ConstraintRule::reference ? data.impose_clean(prior)
                                                      : data.impose({prior, prior}).x;
}

}  // namespace ito::samplers
