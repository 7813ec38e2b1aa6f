#include "sde/training/trained_network.h"

#include "models/make.h"
#include "sde/training/checkpoint.h"

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

TrainedNetwork load_file(const std::filesystem::path& file) {
  TrainedNetwork trained;
  trained.file = file;
  const SafetensorsFile tensors = read_safetensors(file);
  trained.settings = nn::settings_of(tensors, file);
  trained.config = nn::network_config(trained.settings, file.string());
  Fields f;
  trained.sde.fields(f);
  trained.objective.fields(f);
  f.apply_known(trained.settings, file.string());
  trained.sde.validate();
  trained.network = nn::make_network(trained.config.model, trained.config.image, 0);
  nn::load_parameters(*trained.network, tensors, file);
  return trained;
}

}  // namespace

TrainedNetwork load_trained_network(const std::filesystem::path& path, Device device) {
  const std::filesystem::path file = weights_file(path);
  try {
    TrainedNetwork trained = load_file(file);
    nn::keep_packed_weights(*trained.network);
    nn::move_to(*trained.network, device);
    return trained;
  } catch (const UserError& e) {
    constexpr int kConfiguration = 2;
    if (exit_code_of(e.code()) != kConfiguration) throw;
    // The configuration is part of the file here, not something that the user wrote.
    fail(ErrorCode::file_corrupt, file.string(),
         "its configuration is not valid: " + e.subject() + " " + e.fact(),
         "use a file written by ito");
  }
}

Classifier load_classifier(const std::filesystem::path& path, Device device) {
  const TrainedNetwork trained = load_trained_network(path, device);
  if (!trained.objective.classifies()) {
    fail(ErrorCode::bad_combination, trained.file.string(), "is a score model, not a classifier",
         "train a classifier: ito train --preset classifier/demo");
  }
  const nn::ImageConfig& image = trained.config.image;
  return {.network = trained.network,
          .sde = make_sde(trained.sde),
          .sde_config = trained.sde,
          .classes = trained.config.model.num_classes,
          .sample_shape = Shape{image.image_size, image.image_size, image.channels},
          .file = trained.file};
}

}  // namespace ito::sde
