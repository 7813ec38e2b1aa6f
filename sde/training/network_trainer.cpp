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

}  // namespace

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
  arena_.track(*network_, gradients_);
}

Tensor NetworkTrainer::rows(const Tensor& images, int64_t first, int64_t count) {
  const size_t row = images.bytes() / static_cast<size_t>(images.size(0));
  return Tensor::view(images.storage(), images.byte_offset() + static_cast<size_t>(first) * row,
                      images.shape().with(0, count), images.dtype());
}

NoiseKey NetworkTrainer::key(Purpose purpose, int64_t step) const {
  return {static_cast<uint64_t>(train_.seed), purpose, static_cast<uint32_t>(step)};
}

double NetworkTrainer::draw_time(const Sde& sde, int64_t step, int64_t position) const {
  const double u = uniform_at(key(Purpose::time, step), static_cast<uint32_t>(position), 0);
  return kTrainingEps + u * (sde.T() - kTrainingEps);
}

void NetworkTrainer::over_micro_batches(int64_t batch,
                                        const std::function<void(int64_t, int64_t)>& run) const {
  const int64_t micro = train_.micro_batch == 0 ? batch : train_.micro_batch;
  for (int64_t first = 0; first < batch; first += micro) run(first, std::min(micro, batch - first));
}

double NetworkTrainer::accumulate_gradients(int64_t batch, Device device, const LossesFn& losses) {
  double total = 0;
  over_micro_batches(batch, [&](int64_t first, int64_t count) {
    const nn::ForwardOptions options{.dropout = nn::ForwardOptions::Dropout::on,
                                     .seed = static_cast<uint64_t>(train_.seed),
                                     .step = steps_done_,
                                     .samples = positions(first, count, device),
                                     .activations = train_.activations()};
    const Tensor loss =
        ops::sum(losses(first, count, options)) * (1.0 / static_cast<double>(batch));
    total += loss.item();
    if (!std::isfinite(total)) {
      fail(ErrorCode::not_finite, "training",
           "the loss of step " + std::to_string(steps_done_) + " is not finite",
           "resume from the last checkpoint with a smaller optim.lr or optim.grad_clip = 1");
    }
    backward(loss);
  });
  return total;
}

StepReport NetworkTrainer::update(int64_t batch, Device device, const LossesFn& losses) {
  gradients_.fill(0);
  StepReport report;
  report.loss = accumulate_gradients(batch, device, losses);
  report.lr = optim_.learning_rate(steps_done_);
  const NoGradScope off;
  report.grad_norm = ops::adam_ema_step(weights_, gradients_, m_, v_, ema_,
                                        {.lr = report.lr,
                                         .beta1 = optim_.beta1,
                                         .beta2 = optim_.beta2,
                                         .eps = optim_.eps,
                                         .weight_decay = optim_.weight_decay,
                                         .grad_clip = optim_.grad_clip,
                                         .ema_decay = optim_.ema_decay(steps_done_ + 1),
                                         .step = steps_done_ + 1})
                         .item();
  ++steps_done_;
  loss_window_.sum += report.loss;
  ++loss_window_.count;
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
