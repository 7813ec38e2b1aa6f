#include "samplers/ode/integrate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/binary/op.h"
#include "kernels/scaled_sum/op.h"
#include "kernels/unary/op.h"
#include "samplers/solvers/rows.h"
#include "sde/score.h"

namespace ito::samplers {
namespace {

constexpr double kSafety = 0.9, kLeastFactor = 0.2, kMostFactor = 10;

/// sum_j w_j k_j over the weights that are not zero.
Tensor combination(const std::vector<double>& w, const Tensors& k) {
  Tensor sum;
  for (size_t j = 0; j < w.size(); ++j) {
    if (w[j] == 0) continue;
    sum = sum ? ops::scaled_sum(1, sum, w[j], k[j]) : w[j] * k[j];
  }
  return sum;
}

/// y + h k with a step of its own for each row, or one for all: the same arithmetic, so that a row
/// alone has the bits that it has in a batch.
Tensor advanced(const Tensor& y, std::span<const double> h, const Tensor& k) {
  return y + sde::over_samples(sde::per_sample(h, y), y) * k;
}

/// Stages of one step from y with steps h at times t; `k` holds f(y, t) already.
Tensor take_step(const OdeRhs& f, const Tableau& rule, const Tensor& y, std::span<const double> t,
                 std::span<const double> h, Tensors& k) {
  std::vector<double> times(t.size());
  for (size_t i = 1; i < rule.stages(); ++i) {
    for (size_t n = 0; n < t.size(); ++n) times[n] = t[n] + rule.c[i] * h[n];
    k.push_back(f(advanced(y, h, combination(rule.a[i], k)), times));
  }
  return advanced(y, h, combination(rule.b, k));
}

double root_mean(std::span<const double> squares) {
  const double sum = std::accumulate(squares.begin(), squares.end(), 0.0);
  return std::sqrt(sum / static_cast<double>(squares.size()));
}

/// What moves with steps of its own: a row, or the whole batch.
struct Lane {
  double t = 0, h = 0;  ///< h > 0, whatever the direction
  bool rejected = false, arrived = false;
  int64_t evaluations = 0;
};

class Adaptive {
 public:
  Adaptive(const OdeRhs& f, double t0, double t1, const Tensor& y0, const OdeOptions& o)
      : f_(f), options_(o), end_(t1), direction_(t1 > t0 ? 1 : -1), y_(y0) {
    const bool whole = o.control == StepControl::whole_batch;
    lanes_.resize(whole ? 1 : static_cast<size_t>(y0.size(0)));
    for (Lane& lane : lanes_) lane.t = t0;
    result_.times.push_back(t0);
    slope_ = f_(y_, times());
    choose_first_steps();
  }

  OdeResult run(const OdeObserver& observer) {
    for (int64_t attempt = 0; !arrived(); ++attempt) {
      if (attempt == options_.most_steps) refuse("has taken " + std::to_string(attempt) + " steps");
      if (step() && observer && !observer({times(), y_})) {
        result_.finished = false;
        break;
      }
    }
    for (const Lane& lane : lanes_) result_.evaluations.push_back(lane.evaluations);
    result_.y = y_;
    return result_;
  }

 private:
  [[noreturn]] static void refuse(const std::string& fact) {
    fail(ErrorCode::not_finite, "ODE solver", fact,
         "allow larger errors with --tolerance, or check the network");
  }
  bool arrived() const { return std::ranges::all_of(lanes_, &Lane::arrived); }
  std::vector<double> times() const {
    std::vector<double> list;
    for (const Lane& lane : lanes_) list.push_back(lane.t);
    return list;
  }

  /// Values of rows as values of lanes: themselves, or their mean.
  std::vector<double> norms(const Tensor& x, const Tensor& scale) const {
    std::vector<double> squares = mean_squares(x / scale);
    if (lanes_.size() != squares.size()) return {root_mean(squares)};
    for (double& s : squares) s = std::sqrt(s);
    return squares;
  }
  Tensor scale_of(const Tensor& size) const {
    return ops::linear_map(size, options_.rtol, options_.atol);
  }

  /// Hairer, Norsett and Wanner 1993, II.4: from the sizes of y, f and the change of f.
  void choose_first_steps() {
    const Tensor scale = scale_of(ops::unary(ops::UnaryKind::abs, y_));
    const std::vector<double> d0 = norms(y_, scale), d1 = norms(slope_, scale);
    std::vector<double> h0, t = times();
    for (size_t n = 0; n < lanes_.size(); ++n) {
      const bool tiny = d0[n] < 1e-5 || d1[n] < 1e-5;
      const double first = std::min(tiny ? 1e-6 : 0.01 * d0[n] / d1[n], std::abs(end_ - t[n]));
      h0.push_back(direction_ * first);
      t[n] += h0[n];
    }
    const Tensor change = f_(advanced(y_, h0, slope_), t) - slope_;
    const std::vector<double> d2 = norms(change, scale);
    for (size_t n = 0; n < lanes_.size(); ++n) {
      const double first = std::abs(h0[n]), most = std::max(d1[n], d2[n] / first);
      const double second = most <= 1e-15 ? std::max(1e-6, first * 1e-3)
                                          : std::pow(0.01 / most, 1.0 / options_.tableau->order);
      lanes_[n].h = std::min(100 * first, second);
      lanes_[n].evaluations = 2;
    }
  }

  /// One attempt of every lane that has not arrived. True if one of them moved.
  bool step() {
    std::vector<double> h, next;
    for (Lane& lane : lanes_) {
      const double least = 10 * std::abs(std::nextafter(lane.t, direction_ * INFINITY) - lane.t);
      if (lane.h < least && lane.rejected) refuse("finds no step at t = " + std::to_string(lane.t));
      lane.h = std::max(lane.h, least);
      double to = lane.t + direction_ * lane.h;
      if (direction_ * (to - end_) > 0) to = end_;
      if (lane.arrived) to = lane.t;
      next.push_back(to);
      h.push_back(to - lane.t);
    }
    Tensors k{slope_};
    const Tensor y = take_step(f_, *options_.tableau, y_, times(), h, k);
    k.push_back(f_(y, next));
    const Tensor size =
        ops::maximum(ops::unary(ops::UnaryKind::abs, y_), ops::unary(ops::UnaryKind::abs, y));
    std::vector<double> error = norms(combination(options_.tableau->error, k), scale_of(size));
    for (size_t n = 0; n < error.size(); ++n) error[n] *= std::abs(h[n]);
    return judge(error, next, h, y, k.back());
  }

  /// Accepts or rejects the attempt of each lane and chooses its next step.
  bool judge(const std::vector<double>& error, const std::vector<double>& next,
             const std::vector<double>& h, const Tensor& y, const Tensor& slope) {
    std::vector<int64_t> pick;
    for (size_t n = 0; n < lanes_.size(); ++n) {
      Lane& lane = lanes_[n];
      const bool good = !lane.arrived && error[n] < 1;
      pick.push_back(good ? 1 : 0);
      if (lane.arrived) continue;
      lane.evaluations += static_cast<int64_t>(options_.tableau->stages());
      double factor = error[n] == 0 ? kMostFactor
                                    : kSafety * std::pow(error[n], -1.0 / options_.tableau->order);
      if (!std::isfinite(factor)) factor = kLeastFactor;
      factor = std::clamp(factor, kLeastFactor, !good || lane.rejected ? 1.0 : kMostFactor);
      lane.h = std::abs(h[n]) * factor;
      lane.rejected = !good;
      if (!good) continue;
      lane.t = next[n];
      lane.arrived = lane.t == end_;
    }
    if (std::ranges::none_of(pick, [](int64_t p) { return p == 1; })) return false;
    if (pick.front() == 1) result_.times.push_back(lanes_.front().t);
    std::vector<int64_t> rows = pick;
    if (lanes_.size() == 1) rows.assign(static_cast<size_t>(y.size(0)), pick.front());
    y_ = select_rows(y_, y, rows);
    slope_ = select_rows(slope_, slope, rows);
    return true;
  }

  const OdeRhs& f_;
  const OdeOptions& options_;
  const double end_;
  const double direction_;
  Tensor y_, slope_;  // slope = f(y)
  std::vector<Lane> lanes_;
  OdeResult result_;
};

OdeResult fixed_steps(const OdeRhs& f, double t0, double t1, Tensor y, const OdeOptions& o,
                      const OdeObserver& observer) {
  OdeResult result;
  const auto time = [&](int i) { return i == o.steps ? t1 : t0 + (t1 - t0) * i / o.steps; };
  result.times.push_back(t0);
  for (int i = 0; i < o.steps && result.finished; ++i) {
    const double t = time(i), h = time(i + 1) - t;
    Tensors k{f(y, std::span(&t, 1))};
    y = take_step(f, *o.tableau, y, std::span(&t, 1), std::span(&h, 1), k);
    result.times.push_back(t + h);
    if (observer) result.finished = observer({std::span(&result.times.back(), 1), y});
  }
  result.y = y;
  result.evaluations = {static_cast<int64_t>(o.steps) * static_cast<int64_t>(o.tableau->stages())};
  return result;
}

}  // namespace

int64_t OdeResult::most_evaluations() const { return *std::ranges::max_element(evaluations); }

OdeResult integrate(const OdeRhs& f, double t0, double t1, const Tensor& y0, const OdeOptions& o,
                    const OdeObserver& observer) {
  ITO_CHECK(t0 != t1 && std::isfinite(t0) && std::isfinite(t1), ValueError,
            "an interval of time has two ends", kv("t0", t0), kv("t1", t1));
  ITO_CHECK(y0.rank() >= 1 && y0.numel() > 0, ValueError, "a batch has rows with elements",
            kv("y0", y0.shape()));
  if (o.control == StepControl::fixed) {
    ITO_CHECK(o.steps >= 1, ValueError, "at least one step", kv("steps", o.steps));
    return fixed_steps(f, t0, t1, y0, o, observer);
  }
  ITO_CHECK(!o.tableau->error.empty(), ValueError, "no error estimate",
            kv("rule", o.tableau->name));
  ITO_CHECK(o.rtol >= 0 && o.atol >= 0 && o.rtol + o.atol > 0, ValueError,
            "tolerances are positive", kv("rtol", o.rtol), kv("atol", o.atol));
  return Adaptive(f, t0, t1, y0, o).run(observer);
}

}  // namespace ito::samplers
