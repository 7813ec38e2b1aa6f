#include "sde/training/trainer.h"

namespace ito::sde {

Trainer::Trainer(std::unique_ptr<nn::Network> network, std::shared_ptr<const Sde> sde,
                 const ObjectiveConfig& objective, const OptimConfig& optim,
                 const TrainConfig& train, int levels)
    : NetworkTrainer(std::move(network), optim, train),
      sde_(std::move(sde)),
      objective_(objective),
      levels_(levels) {
  objective_.validate();
  if (objective_.classifies()) {
    fail(ErrorCode::bad_combination, "objective.kind", "is classifier, which trains no score",
         "use dsm, smld or ddpm, or a ClassifierTrainer");
  }
  if (!objective_.continuous && objective_.kind != (sde_->name() == "ve" ? "smld" : "ddpm")) {
    fail(ErrorCode::bad_combination, "objective.kind",
         objective_.kind + " with sde.name = " + std::string(sde_->name()),
         "use smld with ve, ddpm with vp, dsm with any");
  }
  if (!objective_.continuous) discrete_level(*sde_, 0, levels_);  // refuses SDEs without levels
}

std::vector<NoiseLevel> Trainer::draw_levels(int64_t step, int64_t first, int64_t count,
                                             const RecordedDraws& recorded) const {
  const Weighting weighting =
      objective_.likelihood_weighting ? Weighting::likelihood : Weighting::std2;
  std::vector<NoiseLevel> list;
  for (int64_t i = first; i < first + count; ++i) {
    const auto at = static_cast<size_t>(i);
    if (objective_.continuous) {
      const double t = recorded.t.empty() ? draw_time(*sde_, step, i) : recorded.t.at(at);
      list.push_back(continuous_level(*sde_, t, weighting));
    } else {
      const uint32_t bits = noise_bits(key(Purpose::time, step), static_cast<uint32_t>(i), 0).v[0];
      const auto drawn = static_cast<int>(bounded(bits, static_cast<uint32_t>(levels_)));
      list.push_back(
          discrete_level(*sde_, recorded.index.empty() ? drawn : recorded.index.at(at), levels_));
    }
  }
  return list;
}

NetworkTrainer::LossesFn Trainer::losses(const nn::Network& network, const Tensor& images,
                                         int64_t step, const RecordedDraws& recorded) const {
  return [&, step](int64_t first, int64_t count, const nn::ForwardOptions& options) {
    const NetworkFn forward = [&](const Tensor& x, const Tensor& labels) {
      return network.forward(x, labels, options);
    };
    return denoising_losses(forward, rows(images, first, count),
                            draw_levels(step, first, count, recorded), options.samples,
                            key(Purpose::forward_noise, step),
                            objective_.reduce_mean ? Reduction::mean : Reduction::half_sum,
                            recorded.z ? rows(recorded.z, first, count) : Tensor());
  };
}

StepReport Trainer::step(const Tensor& images, const RecordedDraws& recorded) {
  return update(images.size(0), images.device(), losses(trained(), images, steps_done(), recorded));
}

double Trainer::evaluate(const Tensor& images, int64_t key_step,
                         const RecordedDraws& recorded) const {
  return mean_loss(images.size(0), images.device(), losses(averaged(), images, key_step, recorded));
}

}  // namespace ito::sde
