// From a network's output to the score (Song et al. 2021, eq. 7 and section 3.3; spec 2.1).
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "engine/core/tensor.h"
#include "sde/sde.h"

namespace ito::sde {

/// A network: x [N, ...] and labels [N] (sigma, 999 t, or an index) to a tensor like x.
using NetworkFn = std::function<Tensor(const Tensor& x, const Tensor& labels)>;

/// The score grad_x log p_t(x) of x [N, ...] at times t: one per sample, or one for all. Times are
/// host numbers in fp64; x is f32 (f64 for checks), and so is the score. Networks, analytic scores
/// and test doubles have this shape.
using ScoreFn = std::function<Tensor(const Tensor& x, std::span<const double> t)>;

/// How a network was trained, which decides its labels.
struct Labelling {
  Labels labels = Labels::continuous;
  int levels = 1000;  ///< N of a discretely trained network
  IndexRounding rounding = IndexRounding::nearest;
};

/// score = c(t) * network(x, label(t)), with label and c from the SDE. Shares ownership of `sde`.
ScoreFn make_score(NetworkFn network, std::shared_ptr<const Sde> sde, Labelling labelling);

/// One number per sample as a tensor [N] of `like`'s dtype on its device; a single value is
/// repeated.
Tensor per_sample(std::span<const double> values, const Tensor& like);
/// values [N] shaped [N, 1, ..., 1] for broadcasting over `like`.
Tensor over_samples(const Tensor& values, const Tensor& like);

}  // namespace ito::sde
