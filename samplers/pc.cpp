#include "samplers/pc.h"

#include "engine/autograd/autograd.h"
#include "engine/cuda/graph.h"
#include "kernels/advance/op.h"
#include "kernels/affine_noise_step/op.h"

namespace ito::samplers {
namespace {

Corrector corrector_of(const std::string& name) {
  if (name == "langevin") return Corrector::langevin;
  return name == "ald" ? Corrector::ald : Corrector::none;
}

PcOptions common_options(const SamplingConfig& c, sde::TimeGrid grid) {
  PcOptions o{.grid = std::move(grid), .predictor = predictor_by_name(c.predictor)};
  o.predictor_options.process =
      c.probability_flow ? Process::probability_flow : Process::reverse_sde;
  o.corrector = corrector_of(c.corrector);
  o.corrector_steps = c.corrector_steps;
  o.snr = c.snr;
  o.predictor_options.eta = c.eta;
  o.predictor_options.variance = c.ancestral_variance == "posterior" ? AncestralVariance::posterior
                                 : c.ancestral_variance == "forward" ? AncestralVariance::forward
                                                                     : AncestralVariance::published;
  o.alpha =
      c.corrector_alpha == "cumulative" ? CorrectorAlpha::cumulative : CorrectorAlpha::per_step;
  o.order = c.order == "predictor_first" ? Order::predictor_first : Order::corrector_first;
  return o;
}

double end_time(const SamplingConfig& c, const sde::Sde& sde) {
  return c.eps > 0 ? c.eps : sde.sampling_eps();
}

/// A state and its mean, the state without the noise of the last update.
using State = ops::StepResult;

/// One step after another. Tables of all steps are uploaded once; the updates read their row from
/// a counter in device memory, which the step advances itself, so that on a GPU every step is the
/// same recorded graph.
class Steps {
 public:
  Steps(const sde::ScoreFn& score, const sde::Sde& sde, const PcOptions& o,
        const NoiseSource& noise, const std::vector<int64_t>& samples, const Tensor& like)
      : score_(score),
        options_(o),
        noise_(noise),
        inner_(o.corrector == Corrector::none ? 0 : o.corrector_steps),
        samples_(Tensor::from(samples, {static_cast<int64_t>(samples.size())}, like.device())),
        step_row_(Tensor::zeros({1}, DType::i64, like.device())),
        correction_row_(Tensor::zeros({1}, DType::i64, like.device())) {
    std::vector<double> predictor, corrector;
    for (int i = 0; i < o.grid.steps(); ++i) {
      const sde::TimeStep step = o.grid.step(i);
      times_.push_back(step.t);
      correction_times_.push_back(correction_time(step));
      append(predictor, o.predictor.step(sde, step, o.predictor_options));
      for (int j = 0; j < inner_; ++j) append_correction(corrector, sde, i);
    }
    predictor_table_ = table(predictor, 3);
    if (inner_ > 0) corrector_table_ = table(corrector, o.corrector == Corrector::ald ? 3 : 1);
    if (o.constraint) data_.emplace(*o.constraint, levels(sde), samples, noise, like);
    if (!is_recordable(like.device())) return;
    score_at_row_ = score.tabulate(times_, like);
    if (inner_ > 0) correction_score_at_row_ = score.tabulate(correction_times_, like);
  }

  /// Whether all that a step needs is on the device. Recorded draws come from the host.
  bool is_recordable(Device device) const {
    return device.kind != DeviceKind::cpu && score_.can_tabulate() && !noise_.recorded &&
           !options_.on_update;
  }
  int evaluations_per_step() const { return inner_ + (predicts() ? 1 : 0); }
  bool predicts() const { return options_.predictor.name != "none"; }
  /// Null without a constraint.
  const ImposedData* data() const { return data_ ? &*data_ : nullptr; }

  /// Step i, whose row the counters hold.
  State take(State s, int i) const {
    if (options_.order == Order::corrector_first) {
      s = predicted(corrected(std::move(s), i), i);
    } else {
      s = corrected(predicted(std::move(s), i), i);
    }
    ops::advance(step_row_);
    return s;
  }

 private:
  static void append(std::vector<double>& list, const StepCoef& c) {
    list.insert(list.end(), {c.x, c.score, c.noise});
  }
  void append_correction(std::vector<double>& list, const sde::Sde& sde, int i) const {
    const double t = correction_times_[static_cast<size_t>(i)], std = sde.sigma(t);
    if (!(std > 0)) {
      fail(ErrorCode::bad_combination, "sampling.order",
           "predictor_first would correct at time 0, where there is no noise",
           "use a grid that ends at sampling.eps, or corrector_first");
    }
    const double alpha = corrector_alpha(sde, t, options_.grid.steps(), options_.alpha,
                                         options_.predictor_options.rounding);
    if (options_.corrector == Corrector::langevin) return list.push_back(alpha);
    append(list, langevin_step(annealed_langevin_step_size(alpha, options_.snr, std)));
  }
  Tensor table(const std::vector<double>& list, int64_t columns) const {
    return Tensor::from(list, {static_cast<int64_t>(list.size()) / columns, columns},
                        samples_.device());
  }
  double correction_time(const sde::TimeStep& step) const {
    return predicts() && options_.order == Order::predictor_first ? step.next : step.t;
  }
  /// Of the data at each update, in order.
  std::vector<NoiseLevel> levels(const sde::Sde& sde) const {
    const bool reference = options_.constraint->rule == ConstraintRule::reference;
    std::vector<NoiseLevel> list;
    for (int i = 0; i < options_.grid.steps(); ++i) {
      const sde::TimeStep step = options_.grid.step(i);
      const double predicted = reference || !predicts() ? step.t : step.next;
      const double correction = correction_times_[static_cast<size_t>(i)];
      const bool corrector_first = options_.order == Order::corrector_first;
      list.push_back(noise_level(sde, corrector_first ? correction : predicted));
      list.push_back(noise_level(sde, corrector_first ? predicted : correction));
    }
    return list;
  }

  State corrected(State s, int i) const {
    // Without corrections the mean that a predictor left stands.
    if (options_.order == Order::corrector_first) s.mean = s.x;
    for (int j = 0; j < inner_; ++j) {
      const double t = correction_times_[static_cast<size_t>(i)];
      s = correct(s.x, correction_score_at_row_ ? correction_score_at_row_(s.x, step_row_)
                                                : score_(s.x, std::span(&t, 1)));
    }
    return updated(std::move(s), UpdateView::Kind::corrector);
  }
  State predicted(State s, int i) const {
    s.mean = s.x;
    if (predicts()) {
      const double t = times_[static_cast<size_t>(i)];
      const Tensor score =
          score_at_row_ ? score_at_row_(s.x, step_row_) : score_(s.x, std::span(&t, 1));
      s = update(predictor_table_, step_row_, Purpose::predictor, s.x, score);
    }
    return updated(std::move(s), UpdateView::Kind::predictor);
  }
  State updated(State s, UpdateView::Kind kind) const {
    if (options_.on_update) options_.on_update({kind, s.x, s.mean});
    return data_ ? data_->impose(s) : s;
  }

  State update(const Tensor& table, const Tensor& row, Purpose purpose, const Tensor& x,
               const Tensor& s) const {
    return ops::affine_noise_step(x, s, table, row, samples_, draw(), {.key = key(purpose)});
  }
  State correct(const Tensor& x, const Tensor& s) const {
    const State next =
        options_.corrector == Corrector::ald
            ? update(corrector_table_, correction_row_, Purpose::corrector, x, s)
            : ops::langevin_step(
                  x, s, corrector_table_, correction_row_, samples_, draw(),
                  {.snr = options_.snr, .norm = options_.norm, .key = key(Purpose::corrector)});
    ops::advance(correction_row_);
    return next;
  }
  Tensor draw() const { return noise_.recorded ? noise_.recorded() : Tensor(); }
  NoiseKey key(Purpose purpose) const { return {noise_.seed, purpose, 0}; }

  const sde::ScoreFn& score_;
  const PcOptions& options_;
  const NoiseSource& noise_;
  const int inner_;  // corrections per step
  const Tensor samples_, step_row_, correction_row_;
  std::vector<double> times_, correction_times_;
  Tensor predictor_table_, corrector_table_;
  sde::ScoreFn::AtRow score_at_row_, correction_score_at_row_;
  std::optional<ImposedData> data_;
};

}  // namespace

PcOptions pc_options(const SamplingConfig& c, const sde::Sde& sde) {
  c.validate();
  PcOptions o = common_options(c, sde::TimeGrid::uniform(sde.T(), end_time(c, sde), c.steps));
  o.norm = c.snr_norm == "batch_mean" ? ops::SnrNorm::batch_mean
           : c.snr_norm == "sqrt_dim" ? ops::SnrNorm::sqrt_dim
                                      : ops::SnrNorm::per_sample;
  o.denoise = c.denoise == "none"   ? Denoise::none
              : c.denoise == "mean" ? Denoise::mean
                                    : Denoise::tweedie;
  return o;
}

PcOptions reference_pc_options(const SamplingConfig& c, const sde::Sde& sde) {
  c.validate();
  PcOptions o = common_options(c, sde::TimeGrid::song_paper(sde.T(), end_time(c, sde), c.steps));
  o.predictor_options.rule = StepRule::table;
  o.predictor_options.rounding = sde::IndexRounding::truncate;
  o.norm = ops::SnrNorm::batch_mean;
  o.denoise = c.denoise == "none" ? Denoise::none : Denoise::mean;
  return o;
}

SampleResult sample_pc(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& start,
                       const std::vector<int64_t>& samples, const PcOptions& o,
                       const NoiseSource& noise, const Observer& observer) {
  const NoGradScope off;
  const Steps steps(score, sde, o, noise, samples, start);
  const bool recordable = steps.is_recordable(start.device());
  SampleResult result;
  State state{recordable ? start.clone() : start, recordable ? start.clone() : start};
  cuda::Graph graph(start.device(), "predictor-corrector step", [&] {
    const State next = steps.take(state, 0);  // every table takes its row from the counters
    state.x.copy_from(next.x);
    state.mean.copy_from(next.mean);
  });
  for (int i = 0; i < o.grid.steps() && result.finished; ++i) {
    const double t = o.grid.t(i);
    if (recordable) {
      graph.run();
    } else {
      state = steps.take(state, i);
    }
    result.evaluations += steps.evaluations_per_step();
    if (observer && observer({i, o.grid.steps(), t, state.x, state.mean}) == Verdict::stop)
      result.finished = false;
  }
  result.graph_nodes = graph.nodes();
  result.x = o.denoise == Denoise::mean ? state.mean : state.x;
  if (o.denoise == Denoise::tweedie && result.finished) {
    // Without a predictor the state stays at the last time that the corrector saw.
    const double t = o.grid.t(o.grid.steps() - (steps.predicts() ? 0 : 1));
    result.x = denoise_tweedie(score, sde, state.x, t);
    ++result.evaluations;
  }
  // A denoised result has no noise: neither have the data that it meets.
  const bool denoised = o.denoise != Denoise::none && result.finished;
  if (denoised && o.constraint && o.constraint->rule == ConstraintRule::exact)
    result.x = steps.data()->impose_clean(result.x);
  check_finite(result.x);
  return result;
}

}  // namespace ito::samplers
