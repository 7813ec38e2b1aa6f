#include "sde/training/score_model.h"

#include "models/make.h"
#include "sde/training/checkpoint.h"
#include "sde/training/config.h"

namespace ito::sde {
namespace {

std::filesystem::path weights_file(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    fail(ErrorCode::file_missing, path.string(), "does not exist", "check the path");
  }
  if (!std::filesystem::is_directory(path)) return path;
  if (std::filesystem::exists(path / "ema.safetensors")) return path / "ema.safetensors";
  if (const auto newest = newest_checkpoint(path)) return *newest / "ema.safetensors";
  fail(ErrorCode::file_missing, path.string(), "holds no complete checkpoint",
       "train for at least one checkpoint, or name a .safetensors file");
}

ScoreModel load_file(const std::filesystem::path& file) {
  ScoreModel model;
  model.file = file;
  const SafetensorsFile tensors = read_safetensors(model.file);
  model.settings = nn::settings_of(tensors, model.file);
  const nn::NetworkConfig config = nn::network_config(model.settings, model.file.string());
  SdeConfig sde;
  ObjectiveConfig objective;
  Fields f;
  sde.fields(f);
  objective.fields(f);
  f.apply_known(model.settings, model.file.string());
  model.network = nn::make_network(config.model, config.image, 0);
  nn::load_parameters(*model.network, tensors, model.file);
  model.sde = make_sde(sde);
  model.labelling = {objective.continuous ? Labels::continuous : Labels::discrete, sde.num_scales};
  const int64_t size = config.image.image_size;
  model.sample_shape = Shape{size, size, config.image.channels};
  return model;
}

}  // namespace

ScoreFn ScoreModel::score() const {
  const NetworkFn forward = [network = network](const Tensor& x, const Tensor& labels) {
    return network->forward(x, labels);
  };
  return make_score(forward, sde, labelling);
}

ScoreModel load_score_model(const std::filesystem::path& path, Device device) {
  const std::filesystem::path file = weights_file(path);
  try {
    ScoreModel model = load_file(file);
    nn::move_to(*model.network, device);
    return model;
  } catch (const UserError& e) {
    constexpr int kConfiguration = 2;
    if (exit_code_of(e.code()) != kConfiguration) throw;
    // The configuration is part of the file here, not something that the user wrote.
    fail(ErrorCode::file_corrupt, file.string(),
         "its configuration is not valid: " + e.subject() + " " + e.fact(),
         "use a file written by ito");
  }
}

}  // namespace ito::sde
