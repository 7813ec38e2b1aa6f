#include "tests/device/sampler_scores.h"

#include <unistd.h>

#include "engine/io/safetensors.h"
#include "engine/io/settings_json.h"
#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/gather/op.h"
#include "models/load.h"
#include "models/make.h"
#include "tools/run/class_guidance.h"

namespace ito::testing {

sde::ScoreFn gaussian_score(const SdePtr& sde, double mu) {
  struct Columns {
    std::vector<double> centre, precision;
  };
  const auto columns = [=](std::span<const double> times) {
    Columns c;
    for (const double t : times) {
      const double a = sde->alpha(t), sigma = sde->sigma(t);
      c.centre.push_back(a * mu);
      c.precision.push_back(1 / (a * a * kStd * kStd + sigma * sigma));
    }
    return c;
  };
  const auto at_times = [=](const Tensor& x, std::span<const double> t) {
    const Columns c = columns(t);
    return (sde::over_samples(sde::per_sample(c.centre, x), x) - x) *
           sde::over_samples(sde::per_sample(c.precision, x), x);
  };
  const auto tabulate = [=](std::span<const double> times,
                            const Tensor& like) -> sde::ScoreFn::AtRow {
    const Columns c = columns(times);
    const auto table = [&](const std::vector<double>& list) {
      const Tensor host = Tensor::from(list, {static_cast<int64_t>(list.size())});
      return ops::cast(host, like.dtype()).to(like.device());
    };
    return [centre = table(c.centre), precision = table(c.precision)](const Tensor& x,
                                                                      const Tensor& row) {
      return (ops::gather(centre, row) - x) * ops::gather(precision, row);
    };
  };
  return {at_times, tabulate};
}

sde::ScoreFn network_score(const SdePtr& sde, Device where) {
  const nn::ModelConfig model{.nf = 8,
                              .ch_mult = {1, 2},
                              .num_res_blocks = 1,
                              .attn_resolutions = {4},
                              .dropout = 0,
                              .fir = true,
                              .progressive_input = "residual",
                              .embedding_type = "fourier",
                              .init_scale = 0.5};
  const std::shared_ptr<nn::Network> network =
      nn::make_network(model, {.image_size = kSize, .channels = 3}, 1);
  nn::move_to(*network, where);
  return sde::make_score(
      [network](const Tensor& x, const Tensor& labels) { return network->forward(x, labels); }, sde,
      {});
}

ClassifierFile::ClassifierFile(const sde::SdeConfig& noise)
    : file_(std::filesystem::temp_directory_path() /
            ("ito_classifier_" + std::to_string(getpid()) + ".safetensors")) {
  nn::ModelConfig model{.name = "wideresnet",
                        .nf = 8,
                        .embedding_type = "fourier",
                        .num_classes = 3,
                        .depth = 10,
                        .widen_factor = 1};
  nn::ImageConfig image{.image_size = kSize, .channels = 3};
  sde::SdeConfig own = noise;
  sde::ObjectiveConfig objective{.kind = "classifier"};
  Fields network_fields, noise_fields;
  model.fields(network_fields);
  image.fields(network_fields);
  objective.fields(network_fields);
  own.fields(noise_fields);  // shares keys with the image's
  Settings settings = noise_fields.values();
  settings.merge(network_fields.values());
  const auto network = nn::make_network(model, image, 2);
  write_safetensors(file_, nn::named_parameters(*network),
                    {{"config", settings_to_json(settings)}});
}

ClassifierFile::~ClassifierFile() {
  std::error_code error;
  std::filesystem::remove(file_, error);
}

sde::ScoreFn ClassifierFile::guided(const sde::ScoreFn& score, const sde::SdeConfig& noise,
                                    const std::vector<int64_t>& samples, Device where) const {
  constexpr double kWeight = 20;
  const tools::ClassGuidance guidance(sde::load_classifier(file_, where), noise, {kSize, kSize, 3},
                                      {2, 0}, kWeight);
  return guidance.guided(score, samples, where);
}

}  // namespace ito::testing
