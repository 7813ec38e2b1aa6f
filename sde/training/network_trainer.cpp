#include "sde/training/network_trainer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/autograd/autograd.h"
#include "kernels/adam_ema_step/op.h"
#include "kernels/reduce/op.h"
#include "kernels/unary/op.h"

namespace ito::sde {
namespace {

constexpr double kTrainingEps = 1e-5;  // smallest time of the continuous objectives (spec 0, 5)

Tensor positions(int64_t first, int64_t count, Device device) {
  std::vector<int64_t> list(static_cast<size_t>(count));
  std::iota(list.begin(), list.end(), first);
  return Tensor::from(list, {count}, device);
}

template <class T>
bool all_finite(const Tensor& on_host) {
  return std::ranges::all_of(on_host.span<T>(), [](T v) { return std::isfinite(v); });
}

/// Name of the first part of `array` that is not finite; empty if all are.
std::string first_nonfinite(const Arena& arena, const Tensor& array) {
  // The sum of finite numbers is not finite only if they are about as large as numbers get.
  if (array.numel() == 0 || std::isfinite(ops::sum(array).item())) return {};
  const Tensor host = array.to(kCpu);
  for (size_t i = 0; i < arena.count(); ++i) {
    const Tensor part = arena.view(host, i);
    const bool finite =
        part.dtype() == DType::f64 ? all_finite<double>(part) : all_finite<float>(part);
    if (!finite) return arena.name(i);
  }
  return {};
}

}  // namespace

NonfiniteError::NonfiniteError(const std::string& tensor, int64_t step)
    : UserError(ErrorCode::not_finite, "training",
                tensor + " is not finite at step " + std::to_string(step),
                "go on from the last checkpoint with a smaller optim.lr or optim.grad_clip = 1, or "
                "with --on-nonfinite skip or rollback"),
      tensor_(tensor),
      step_(step) {}

NetworkTrainer::NetworkTrainer(std::unique_ptr<nn::Network> network, const OptimConfig& optim,
                               const TrainConfig& train)
    : network_(std::move(network)),
      ema_network_(network_->clone()),
      optim_(optim),
      train_(train),
      arena_(*network_) {
  optim_.validate();
  train_.validate();
  weights_ = arena_.allocate();
  ema_ = arena_.allocate();
  gradients_ = arena_.allocate();
  m_ = arena_.allocate();
  v_ = arena_.allocate();
  arena_.bind(*ema_network_, ema_);
  arena_.bind(*network_, weights_);
  if (train_.precision == "bf16") copy_.emplace(*network_);
  leaves_ = Arena::track(copy_ ? copy_->network() : *network_);
}

Tensor NetworkTrainer::rows(const Tensor& images, int64_t first, int64_t count) {
  const size_t row = images.bytes() / static_cast<size_t>(images.size(0));
  return Tensor::view(images.storage(), images.byte_offset() + static_cast<size_t>(first) * row,
                      images.shape().with(0, count), images.dtype());
}

NoiseStream NetworkTrainer::stream() const {
  // Odd, so that no two rollbacks share a seed.
  constexpr uint64_t kPerRollback = 0x9e3779b97f4a7c15;
  return {static_cast<uint64_t>(train_.seed) +
              static_cast<uint64_t>(progress_.rollbacks) * kPerRollback,
          progress_.steps};
}

std::string NetworkTrainer::nonfinite_state() const {
  const std::pair<const char*, const Tensor*> arrays[] = {{"parameter ", &weights_},
                                                          {"the average of ", &ema_},
                                                          {"the first moment of ", &m_},
                                                          {"the second moment of ", &v_}};
  for (const auto& [what, array] : arrays) {
    const std::string name = first_nonfinite(arena_, *array);
    if (!name.empty()) return what + name;
  }
  return {};
}

double NetworkTrainer::draw_time(const Sde& sde, const NoiseStream& stream, int64_t position) {
  const double u = uniform_at(stream.key(Purpose::time), static_cast<uint32_t>(position), 0);
  return kTrainingEps + u * (sde.T() - kTrainingEps);
}

void NetworkTrainer::over_micro_batches(int64_t batch,
                                        const std::function<void(int64_t, int64_t)>& run) const {
  const int64_t micro = train_.micro_batch == 0 ? batch : train_.micro_batch;
  for (int64_t first = 0; first < batch; first += micro) run(first, std::min(micro, batch - first));
}

double NetworkTrainer::accumulate_gradients(int64_t batch, Device device, const LossesFn& losses) {
  const NoiseStream draws = stream();
  if (copy_) copy_->load(weights_);
  Tensors parts;  // read when all work is queued: a device is waited for once per step
  over_micro_batches(batch, [&](int64_t first, int64_t count) {
    const nn::ForwardOptions options{.dropout = nn::ForwardOptions::Dropout::on,
                                     .seed = draws.seed,
                                     .step = draws.step,
                                     .samples = positions(first, count, device),
                                     .activations = train_.activations()};
    const Tensor loss =
        ops::sum(losses(first, count, options)) * (1.0 / static_cast<double>(batch));
    const Arena::Sum sum = first == 0 ? Arena::Sum::begins : Arena::Sum::goes_on;
    grad(loss, leaves_, {.take = [&](size_t i, const Tensor& gradient) {
           arena_.collect(i, gradient, gradients_, sum);
         }});
    parts.push_back(loss.detach());
  });
  double total = 0;
  for (const Tensor& part : parts) total += part.item();
  return total;
}

std::string NetworkTrainer::cause_of_bad_loss() const {
  const std::string parameter = first_nonfinite(arena_, weights_);
  return parameter.empty() ? "the loss" : "parameter " + parameter;
}

std::string NetworkTrainer::cause_of_bad_norm() const {
  const std::string part = first_nonfinite(arena_, gradients_);
  return part.empty() ? "the norm of the gradients" : "the gradient of " + part;
}

double NetworkTrainer::apply_gradients(double lr) {
  const int64_t updates = progress_.updates();
  return ops::adam_ema_step(weights_, gradients_, m_, v_, ema_,
                            {.lr = lr,
                             .beta1 = optim_.beta1,
                             .beta2 = optim_.beta2,
                             .eps = optim_.eps,
                             .weight_decay = optim_.weight_decay,
                             .grad_clip = optim_.grad_clip,
                             .ema_decay = optim_.ema_decay(updates + 1),
                             .step = updates + 1})
      .item();
}

/// A step without an update.
void NetworkTrainer::pass_over(const std::string& nonfinite) {
  if (train_.on_nonfinite != "skip" || progress_.skipped_in_a_row == kMostSkipped) {
    throw NonfiniteError(nonfinite, progress_.steps);
  }
  ++progress_.steps;
  ++progress_.skipped;
  ++progress_.skipped_in_a_row;
  ++progress_.window.skipped;
}

StepReport NetworkTrainer::update(int64_t batch, Device device, const LossesFn& losses) {
  StepReport report;
  report.loss = accumulate_gradients(batch, device, losses);
  report.lr = optim_.learning_rate(progress_.updates());
  const NoGradScope off;
  if (!std::isfinite(report.loss)) {
    report.nonfinite = cause_of_bad_loss();
  } else if (report.grad_norm = apply_gradients(report.lr); !std::isfinite(report.grad_norm)) {
    report.nonfinite = cause_of_bad_norm();
  }
  if (!report.nonfinite.empty()) {
    pass_over(report.nonfinite);
    return report;
  }
  ++progress_.steps;
  progress_.skipped_in_a_row = 0;
  progress_.window.sum += report.loss;
  ++progress_.window.count;
  return report;
}

double NetworkTrainer::mean_loss(int64_t batch, Device device, const LossesFn& losses) const {
  const NoGradScope off;
  double total = 0;
  over_micro_batches(batch, [&](int64_t first, int64_t count) {
    const nn::ForwardOptions options{.samples = positions(first, count, device)};
    total += ops::sum(losses(first, count, options)).item();
  });
  return total / static_cast<double>(batch);
}

}  // namespace ito::sde
