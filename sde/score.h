// From a network's output to the score (Song et al. 2021, eq. 7 and section 3.3; spec 2.1).
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "engine/core/tensor.h"
#include "sde/sde.h"

namespace ito::sde {

/// A network: x [N, ...] and labels [N] (sigma, 999 t, or an index) to a tensor like x.
using NetworkFn = std::function<Tensor(const Tensor& x, const Tensor& labels)>;

/// The score grad_x log p_t(x) of x [N, ...] at times t: one per sample, or one for all. Times are
/// host numbers in fp64; x is f32 (f64 for checks), and so is the score. Networks, analytic scores
/// and test doubles have this shape; any such callable is one.
class ScoreFn {
 public:
  using AtTimes = std::function<Tensor(const Tensor& x, std::span<const double> t)>;
  /// The score at the time in a row (i64 [1], in the device's memory) of a table of times: all that
  /// it needs is on the device, so it can be part of a recorded graph.
  using AtRow = std::function<Tensor(const Tensor& x, const Tensor& row)>;
  /// Puts what the score needs of `times` on the device of `like`, a state to come.
  using Tabulate = std::function<AtRow(std::span<const double> times, const Tensor& like)>;

  ScoreFn() = default;
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, ScoreFn>) &&
      std::is_invocable_r_v<Tensor, F&, const Tensor&, std::span<const double>> ScoreFn(
          F&& at_times, Tabulate tabulate = {})
      : at_times_(std::forward<F>(at_times)),
  tabulate_(std::move(tabulate)) {}

  Tensor operator()(const Tensor& x, std::span<const double> t) const { return at_times_(x, t); }
  bool can_tabulate() const { return tabulate_ != nullptr; }
  AtRow tabulate(std::span<const double> times, const Tensor& like) const {
    return tabulate_(times, like);
  }

 private:
  AtTimes at_times_;
  Tabulate tabulate_;
};

/// How a network was trained, which decides its labels. Between the levels of a discrete training
/// `nearest` tells the network the nearest level, which it knows; `truncate` the fraction
/// t (N - 1), as the public implementation does for VP (its noise level is that of the level
/// below): rounding and linear interpolation of Song et al. 2021, appendix G.
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
