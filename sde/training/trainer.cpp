#include "sde/training/trainer.h"

#include <cmath>
#include <numeric>

#include "engine/autograd/autograd.h"
#include "kernels/adam_ema_step/op.h"
#include "kernels/reduce/op.h"
#include "kernels/slice/op.h"
#include "kernels/unary/op.h"

namespace ito::sde {
namespace {

constexpr double kTrainingEps = 1e-5;  // smallest time of the continuous objectives (spec 0, 5)

/// Images [first, first + count) of a batch, sharing its memory.
Tensor rows(const Tensor& images, int64_t first, int64_t count) {
  const size_t row = images.bytes() / static_cast<size_t>(images.size(0));
  return Tensor::view(images.storage(), images.byte_offset() + static_cast<size_t>(first) * row,
                      images.shape().with(0, count), images.dtype());
}

Tensor positions(int64_t first, int64_t count, Device device) {
  std::vector<int64_t> list(static_cast<size_t>(count));
  std::iota(list.begin(), list.end(), first);
  return Tensor::from(list, {count}, device);
}

}  // namespace

Trainer::Trainer(std::unique_ptr<nn::Network> network, std::shared_ptr<const Sde> sde,
                 const ObjectiveConfig& objective, const OptimConfig& optim,
                 const TrainConfig& train, int levels)
    : network_(std::move(network)),
      ema_network_(network_->clone()),
      sde_(std::move(sde)),
      objective_(objective),
      optim_(optim),
      train_(train),
      levels_(levels),
      arena_(*network_) {
  objective_.validate();
  optim_.validate();
  train_.validate();
  if (!objective_.continuous && objective_.kind != (sde_->name() == "ve" ? "smld" : "ddpm")) {
    fail(ErrorCode::bad_combination, "objective.kind",
         objective_.kind + " with sde.name = " + std::string(sde_->name()),
         "use smld with ve, ddpm with vp, dsm with any");
  }
  if (!objective_.continuous) discrete_level(*sde_, 0, levels_);  // refuses SDEs without levels
  weights_ = arena_.allocate();
  ema_ = arena_.allocate();
  gradients_ = arena_.allocate();
  m_ = arena_.allocate();
  v_ = arena_.allocate();
  arena_.bind(*ema_network_, ema_);
  arena_.bind(*network_, weights_);
  arena_.track(*network_, gradients_);
}

std::vector<NoiseLevel> Trainer::draw_levels(int64_t step, int64_t first, int64_t count,
                                             const RecordedDraws& recorded) const {
  const NoiseKey key{static_cast<uint64_t>(train_.seed), Purpose::time,
                     static_cast<uint32_t>(step)};
  const Weighting weighting =
      objective_.likelihood_weighting ? Weighting::likelihood : Weighting::std2;
  std::vector<NoiseLevel> list;
  for (int64_t i = first; i < first + count; ++i) {
    const auto at = static_cast<size_t>(i);
    const auto sample = static_cast<uint32_t>(i);
    if (objective_.continuous) {
      const double u = uniform_at(key, sample, 0);
      const double t =
          recorded.t.empty() ? kTrainingEps + u * (sde_->T() - kTrainingEps) : recorded.t.at(at);
      list.push_back(continuous_level(*sde_, t, weighting));
    } else {
      const uint32_t drawn =
          bounded(noise_bits(key, sample, 0).v[0], static_cast<uint32_t>(levels_));
      const int index = recorded.index.empty() ? static_cast<int>(drawn) : recorded.index.at(at);
      list.push_back(discrete_level(*sde_, index, levels_));
    }
  }
  return list;
}

Tensor Trainer::losses(const nn::Network& network, const Tensor& images, int64_t step,
                       int64_t first, const nn::ForwardOptions& options,
                       const RecordedDraws& recorded) const {
  const int64_t count = images.size(0);
  const NoiseKey key{static_cast<uint64_t>(train_.seed), Purpose::forward_noise,
                     static_cast<uint32_t>(step)};
  const NetworkFn forward = [&](const Tensor& x, const Tensor& labels) {
    return network.forward(x, labels, options);
  };
  return denoising_losses(forward, images, draw_levels(step, first, count, recorded),
                          options.samples, key,
                          objective_.reduce_mean ? Reduction::mean : Reduction::half_sum,
                          recorded.z ? rows(recorded.z, first, count) : Tensor());
}

double Trainer::accumulate_gradients(const Tensor& images, const RecordedDraws& recorded) {
  const int64_t batch = images.size(0);
  const int64_t micro = train_.micro_batch == 0 ? batch : train_.micro_batch;
  double total = 0;
  for (int64_t first = 0; first < batch; first += micro) {
    const int64_t count = std::min(micro, batch - first);
    const nn::ForwardOptions options{.dropout = nn::ForwardOptions::Dropout::on,
                                     .seed = static_cast<uint64_t>(train_.seed),
                                     .step = steps_done_,
                                     .samples = positions(first, count, images.device())};
    const Tensor each =
        losses(*network_, rows(images, first, count), steps_done_, first, options, recorded);
    const Tensor loss = ops::sum(each) * (1.0 / static_cast<double>(batch));
    total += loss.item();
    if (!std::isfinite(total)) {
      fail(ErrorCode::not_finite, "training",
           "the loss of step " + std::to_string(steps_done_) + " is not finite",
           "resume from the last checkpoint with a smaller optim.lr or optim.grad_clip = 1");
    }
    backward(loss);
  }
  return total;
}

StepReport Trainer::step(const Tensor& images, const RecordedDraws& recorded) {
  gradients_.fill(0);
  StepReport report;
  report.loss = accumulate_gradients(images, recorded);
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

double Trainer::evaluate(const Tensor& images, int64_t key_step,
                         const RecordedDraws& recorded) const {
  const NoGradScope off;
  const int64_t batch = images.size(0);
  const int64_t micro = train_.micro_batch == 0 ? batch : train_.micro_batch;
  double total = 0;
  for (int64_t first = 0; first < batch; first += micro) {
    const int64_t count = std::min(micro, batch - first);
    const nn::ForwardOptions options{.samples = positions(first, count, images.device())};
    total += ops::sum(losses(*ema_network_, rows(images, first, count), key_step, first, options,
                             recorded))
                 .item();
  }
  return total / static_cast<double>(batch);
}

}  // namespace ito::sde
