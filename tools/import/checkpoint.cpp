#include "tools/import/checkpoint.h"

#include <cmath>

#include "kernels/cast/op.h"
#include "tools/import/tensor_source.h"

namespace ito::tools {
namespace {

using Kind = Value::Kind;
namespace fs = std::filesystem;

constexpr std::string_view kNoiseLevels = "sigmas";
constexpr std::string_view kModule = "module.";

const Value& entry(const TorchFile& file, const Value& dict, std::string_view key, Kind kind,
                   const char* fix) {
  const Value* value = file.find(dict, key);
  if (value != nullptr && value->kind == kind) return *value;
  fail(ErrorCode::file_mismatch, file.path().string(),
       "is no checkpoint of score_sde_pytorch: it lacks the entry \"" + std::string(key) + "\"",
       fix);
}

Origin reference_origin(const nn::Parameter& p) { return {p.reference_name, p.layout}; }
Origin own_origin(const nn::Parameter& p) { return {p.name, nn::ReferenceLayout::same}; }

/// Takes the reference's noise levels out of the tensors; none if it has none.
std::vector<double> take_noise_levels(TensorSource& source) {
  const auto found = source.tensors.find(std::string(kNoiseLevels));
  if (found == source.tensors.end()) return {};
  if (found->second.shape().rank() != 1 || !is_floating(found->second.dtype())) {
    other_configuration(source.path, "sigmas is no list of noise levels");
  }
  const Tensor levels = found->second.read();
  source.tensors.erase(found);
  return ops::cast(levels, DType::f64).to_vector<double>();
}

/// Puts the averages in the place of the trained parameters. They have no names: element j belongs
/// to the j-th trained parameter in the order of `model`.
void replace_by_averages(nn::Network& network, const std::shared_ptr<const TorchFile>& file,
                         const Value& model, TensorSource& source) {
  const char* fix = "use --weights model";
  const Value& averages = entry(*file, file->root(), "ema", Kind::dict, fix);
  const Value& list = entry(*file, averages, "shadow_params", Kind::list, fix);
  std::map<std::string, nn::Training> training;
  for (const nn::Parameter& p : nn::parameters_of(network)) training[p.reference_name] = p.training;
  size_t next = 0;
  for (size_t i = 0; i < model.items.size(); i += 2) {
    std::string name = file->at(model.items[i]).text;
    if (name.starts_with(kModule)) name.erase(0, kModule.size());
    const auto known = training.find(name);
    if (known == training.end() || known->second == nn::Training::frozen) continue;  // "sigmas"
    if (next < list.items.size()) {
      source.tensors[name] = torch_tensor(file, file->at(list.items[next]), name);
    }
    ++next;
  }
  if (next == list.items.size()) return;
  other_configuration(file->path(), "has " + std::to_string(list.items.size()) +
                                        " averages for the network's " + std::to_string(next) +
                                        " trained parameters");
}

}  // namespace

CheckpointInfo load_checkpoint(nn::Network& network, const fs::path& path,
                               CheckpointWeights weights) {
  const auto file = std::make_shared<const TorchFile>(path);
  const Value& model =
      entry(*file, file->root(), "model", Kind::dict, "use a file {optimizer, model, ema, step}");
  TensorSource source = torch_source(file, model);
  remove_module_prefix(source);
  CheckpointInfo info;
  info.sigmas = take_noise_levels(source);
  check_names(network, source, reference_origin);
  if (weights == CheckpointWeights::ema) replace_by_averages(network, file, model, source);
  fill_network(network, source, reference_origin);
  info.tensors = std::ssize(source.tensors);
  if (const Value* step = file->find(file->root(), "step"); step != nullptr) {
    info.step = step->integer;
  }
  return info;
}

CheckpointInfo load_plain_tensors(nn::Network& network, const fs::path& path) {
  TensorSource source = safetensors_source(path);
  remove_module_prefix(source);
  CheckpointInfo info;
  info.sigmas = take_noise_levels(source);
  int64_t ours = 0, theirs = 0;
  for (const nn::Parameter& p : nn::parameters_of(network)) {
    ours += source.tensors.contains(p.name);
    theirs += source.tensors.contains(p.reference_name);
  }
  fill_network(network, source, theirs > ours ? reference_origin : own_origin);
  info.tensors = std::ssize(source.tensors);
  return info;
}

void check_noise_levels(const CheckpointInfo& info, const sde::SdeConfig& sde,
                        const fs::path& file) {
  if (info.sigmas.empty()) return;
  if (info.sigmas.size() != static_cast<size_t>(sde.num_scales)) {
    other_configuration(file, "has " + std::to_string(info.sigmas.size()) +
                                  " noise levels, sde.num_scales is " +
                                  std::to_string(sde.num_scales));
  }
  if (sde.name != "ve") return;
  const auto compare = [&](double found, double wanted, const char* key) {
    // The table is exp(log(sigma)), perhaps in f32: a few units of 2^-23.
    if (std::abs(found - wanted) <= 1e-5 * wanted) return;
    other_configuration(file, "has the noise level " + detail::number_text(found) + " where " +
                                  key + " is " + detail::number_text(wanted));
  };
  compare(info.sigmas.front(), sde.sigma_max, "sde.sigma_max");
  compare(info.sigmas.back(), sde.sigma_min, "sde.sigma_min");
}

}  // namespace ito::tools
