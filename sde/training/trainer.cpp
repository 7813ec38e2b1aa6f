#include "sde/training/trainer.h"

#include <numbers>

#include "kernels/binary/op.h"
#include "kernels/perturb/op.h"
#include "kernels/unary/op.h"
#include "models/energy.h"
#include "sde/objectives/contrastive.h"
#include "sde/objectives/edm.h"
#include "sde/objectives/importance.h"
#include "sde/objectives/variational.h"
#include "sde/training/score_network.h"

namespace ito::sde {
namespace {

constexpr double kScoreLimit = 10;  // of cd's chains, in units of the noise, where |s| is about 1

/// The SDE that an objective is for, or nothing if it is for any.
std::string_view sde_of(const ObjectiveConfig& objective) {
  const std::string& kind = objective.kind;
  if (kind == "smld" || kind == "edm" || kind == "cd") return "ve";
  if (kind == "ddpm" || kind == "vlb" || kind == "iddpm") return "vp";
  return {};
}

Projection projection_of(const std::string& name) {
  if (name == "gaussian") return Projection::gaussian;
  if (name == "sphere") return Projection::sphere;
  return name == "unit_sphere" ? Projection::unit_sphere : Projection::rademacher;
}

ScoreMatching::Kind matching_of(const std::string& kind) {
  if (kind == "ism") return ScoreMatching::Kind::implicit;
  if (kind == "ssm") return ScoreMatching::Kind::sliced;
  return kind == "ssm_vr" ? ScoreMatching::Kind::sliced_vr : ScoreMatching::Kind::finite_difference;
}

ReverseVariance variance_of(const std::string& name) {
  if (name == "beta") return ReverseVariance::beta;
  return name == "learned" ? ReverseVariance::learned : ReverseVariance::posterior;
}

/// Refuses an energy whose output has the wrong sign for the SDE: its score would point uphill.
void check_output(const nn::EnergyNetwork& energy, const Sde& sde, Labels labels, int levels) {
  const bool is_noise = sde.score_scale(sde.T(), labels, levels) < 0;
  if (is_noise == (energy.output() == nn::EnergyOutput::noise)) return;
  const std::string wanted = is_noise ? "noise" : "score", found = is_noise ? "score" : "noise";
  fail(ErrorCode::bad_combination, "model.energy_output",
       "is " + found + " with sde.name = " + std::string(sde.name()),
       "set model.energy_output = \"" + wanted + "\"");
}

}  // namespace

Trainer::Trainer(std::unique_ptr<nn::Network> network, std::shared_ptr<const Sde> sde,
                 const ObjectiveConfig& objective, const OptimConfig& optim,
                 const TrainConfig& train, int levels)
    : NetworkTrainer(std::move(network), optim, train),
      sde_(std::move(sde)),
      objective_(objective),
      levels_(levels),
      label_dropout_(train.label_dropout) {
  objective_.validate();
  if (objective_.classifies()) {
    fail(ErrorCode::bad_combination, "objective.kind", "is classifier, which trains no score",
         "use dsm, smld or ddpm, or a ClassifierTrainer");
  }
  const std::string_view wanted = sde_of(objective_);
  if (!wanted.empty() && sde_->name() != wanted) {
    fail(ErrorCode::bad_combination, "objective.kind",
         objective_.kind + " with sde.name = " + std::string(sde_->name()),
         "use smld, edm and cd with ve, ddpm, vlb and iddpm with vp, the others with any");
  }
  const auto* energy = dynamic_cast<const nn::EnergyNetwork*>(&trained());
  if (objective_.kind == "cd" && energy == nullptr) {
    fail(ErrorCode::bad_combination, "objective.kind", "is cd, but the network has no energy",
         "set model.energy = true");
  }
  // Second derivatives and chains of an energy lose too much in eight bits.
  const bool derivatives = objective_.matches_scores() || energy != nullptr;
  if (derivatives && train.precision == "bf16") {
    fail(ErrorCode::bad_combination, "train.precision",
         "is bf16 with an objective or a network of derivatives", "set train.precision = \"fp32\"");
  }
  if (!objective_.continuous) discrete_level(*sde_, 0, levels_);  // refuses SDEs without levels
  if (energy != nullptr) {
    check_output(*energy, *sde_, objective_.continuous ? Labels::continuous : Labels::discrete,
                 levels_);
  }
  if (objective_.sigma > 0) time_of_sigma(*sde_, objective_.sigma);
  if (objective_.kind == "vlb" || objective_.kind == "iddpm") {
    chain_ = DiffusionChain::of(*sde_, levels_);
  }
}

std::vector<int> Trainer::draw_indices(const Part& part, const RecordedDraws& recorded) const {
  std::vector<int> list;
  for (int64_t i = part.first; i < part.first + part.x0.size(0); ++i) {
    const uint32_t bits =
        noise_bits(part.draws.key(Purpose::time), static_cast<uint32_t>(i), 0).v[0];
    const auto drawn = static_cast<int>(bounded(bits, static_cast<uint32_t>(levels_)));
    list.push_back(recorded.index.empty() ? drawn : recorded.index.at(static_cast<size_t>(i)));
  }
  return list;
}

double Trainer::draw_importance_time(const NoiseStream& draws, int64_t position) const {
  const auto sample = static_cast<uint32_t>(position);
  return likelihood_weighted_time(*sde_, uniform_at(draws.key(Purpose::time), sample, 0));
}

std::vector<NoiseLevel> Trainer::draw_levels(const Part& part,
                                             const RecordedDraws& recorded) const {
  const int64_t count = part.x0.size(0);
  if (objective_.sigma > 0) {
    return std::vector<NoiseLevel>(static_cast<size_t>(count),
                                   single_level(*sde_, objective_.sigma));
  }
  std::vector<NoiseLevel> list;
  if (!objective_.continuous) {
    for (const int i : draw_indices(part, recorded)) {
      list.push_back(discrete_level(*sde_, i, levels_));
    }
    return list;
  }
  const Weighting weighting =
      objective_.likelihood_weighting ? Weighting::likelihood : Weighting::std2;
  const bool importance = objective_.importance_sampling;
  for (int64_t i = part.first; i < part.first + count; ++i) {
    const double drawn =
        importance ? draw_importance_time(part.draws, i) : draw_time(*sde_, part.draws, i);
    const double t = recorded.t.empty() ? drawn : recorded.t.at(static_cast<size_t>(i));
    list.push_back(importance ? importance_sampled_level(*sde_, t)
                              : continuous_level(*sde_, t, weighting));
  }
  return list;
}

Tensor Trainer::denoising(const NetworkFn& network, const Part& part,
                          const RecordedDraws& recorded) const {
  return denoising_losses(network, part.x0, draw_levels(part, recorded), part.samples,
                          part.draws.key(Purpose::forward_noise), reduction(),
                          recorded.z ? rows(recorded.z, part.first, part.x0.size(0)) : Tensor());
}

Tensor Trainer::score_matching(const NetworkFn& network, const Part& part,
                               const RecordedDraws& recorded) const {
  return score_matching_losses(network, part.x0, draw_levels(part, recorded), part.samples,
                               part.draws.key(Purpose::forward_noise), reduction(),
                               {.kind = matching_of(objective_.kind),
                                .projection = projection_of(objective_.projection),
                                .particles = objective_.particles,
                                .step = objective_.difference_step,
                                .key = part.draws.key(Purpose::probe)});
}

Tensor Trainer::edm(const NetworkFn& network, const Part& part) const {
  const LogNormalSigma law{objective_.log_sigma_mean, objective_.log_sigma_std};
  std::vector<double> sigmas;
  for (int64_t i = part.first; i < part.first + part.x0.size(0); ++i) {
    sigmas.push_back(law(normal_at(part.draws.key(Purpose::time), static_cast<uint32_t>(i), 0)));
  }
  return edm_losses(network, precondition_of(objective_), part.x0, sigmas, part.samples,
                    part.draws.key(Purpose::forward_noise), reduction());
}

Tensor Trainer::variational(const NetworkFn& network, const Part& part,
                            const RecordedDraws& recorded) const {
  const std::vector<int> indices = draw_indices(part, recorded);
  const NoiseKey noise = part.draws.key(Purpose::forward_noise);
  if (objective_.kind == "iddpm") {
    return hybrid_losses(network, *chain_, part.x0, indices, part.samples, noise, objective_.bits);
  }
  const Tensor nats = variational_losses(
      network, *chain_, part.x0, indices, part.samples, noise,
      {.variance = variance_of(objective_.reverse_variance), .bits = objective_.bits});
  const auto d = static_cast<double>(part.x0.numel() / part.x0.size(0));
  return objective_.reduce_mean ? nats / (d * std::numbers::ln2) : nats;
}

Tensor Trainer::contrastive(const nn::Network& network, const nn::ForwardOptions& options,
                            const Part& part, const RecordedDraws& recorded) const {
  const auto& energy = dynamic_cast<const nn::EnergyNetwork&>(network);
  const LevelTensors at(draw_levels(part, recorded), part.x0);
  const Tensor std = over_samples(at.std, part.x0);
  const NoiseKey noise = part.draws.key(Purpose::forward_noise);
  const Tensor xt = ops::perturb(part.x0, at.mean, at.std, part.samples, noise).x_t;
  // In units of the noise, u = x_t / std, where the score is std s.
  const ScoreAt score = [&](const Tensor& u) {
    return std * energy.forward(std * u, at.label, options);
  };
  const Tensor data = xt / std;
  const Tensor model = run_langevin(score, data, part.samples,
                                    {.steps = objective_.langevin_steps,
                                     .step_size = objective_.langevin_step,
                                     .limit = kScoreLimit,
                                     .key = part.draws.key(Purpose::probe)});
  return contrastive_losses(
      [&](const Tensor& u) { return energy.energy(std * u, at.label, options); }, data, model);
}

std::vector<int64_t> Trainer::checked(std::span<const int64_t> classes,
                                      const Tensor& images) const {
  ITO_CHECK(std::ssize(classes) == images.size(0), ShapeError, "one class for each image",
            kv("images", images.size(0)), kv("classes", classes.size()));
  for (const int64_t y : classes) {
    ITO_CHECK(y >= 0 && y < trained().classes(), ValueError, "the network has no such class",
              kv("class", y), kv("classes", trained().classes()));
  }
  return {classes.begin(), classes.end()};
}

std::vector<int64_t> Trainer::with_dropout(std::vector<int64_t> classes) const {
  const NoiseKey key = stream().key(Purpose::label);
  for (size_t i = 0; i < classes.size(); ++i) {
    const float u = uniform_at(key, static_cast<uint32_t>(i), 0);
    if (u < label_dropout_) classes[i] = trained().classes();
  }
  return classes;
}

NetworkTrainer::LossesFn Trainer::losses(const nn::Network& network, const Tensor& images,
                                         const std::vector<int64_t>& classes,
                                         const NoiseStream& draws,
                                         const RecordedDraws& recorded) const {
  return [&, draws](int64_t first, int64_t count, const nn::ForwardOptions& given) {
    nn::ForwardOptions options = given;
    if (!classes.empty()) {
      const auto from = classes.begin() + first;
      options.classes =
          Tensor::from(std::vector<int64_t>(from, from + count), {count}, images.device());
    }
    const NetworkFn forward = [&](const Tensor& x, const Tensor& labels) {
      return network.forward(x, labels, options);
    };
    const Part part{rows(images, first, count), options.samples, draws, first};
    if (objective_.matches_scores()) return score_matching(forward, part, recorded);
    if (objective_.kind == "edm") return edm(forward, part);
    if (objective_.kind == "cd") return contrastive(network, options, part, recorded);
    if (chain_) return variational(forward, part, recorded);
    return denoising(forward, part, recorded);
  };
}

StepReport Trainer::step(const Tensor& images, const RecordedDraws& recorded) {
  return update(images.size(0), images.device(), losses(trained(), images, {}, stream(), recorded));
}

StepReport Trainer::step(const Tensor& images, std::span<const int64_t> classes,
                         const RecordedDraws& recorded) {
  const std::vector<int64_t> told = with_dropout(checked(classes, images));
  return update(images.size(0), images.device(),
                losses(trained(), images, told, stream(), recorded));
}

double Trainer::evaluate(const Tensor& images, int64_t key_step,
                         const RecordedDraws& recorded) const {
  return mean_loss(images.size(0), images.device(),
                   losses(averaged(), images, {}, fixed_stream(key_step), recorded));
}

double Trainer::evaluate(const Tensor& images, std::span<const int64_t> classes, int64_t key_step,
                         const RecordedDraws& recorded) const {
  const std::vector<int64_t> told = checked(classes, images);
  return mean_loss(images.size(0), images.device(),
                   losses(averaged(), images, told, fixed_stream(key_step), recorded));
}

}  // namespace ito::sde
