#include "tools/import/checkpoint.h"

#include <cmath>
#include <map>
#include <set>

#include "kernels/cast/op.h"
#include "models/load.h"
#include "tools/import/torch_file.h"

namespace ito::tools {
namespace {

using Kind = Value::Kind;
namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "module.";  // of DataParallel
constexpr std::string_view kNoiseLevels = "sigmas";

[[noreturn]] void mismatch(const fs::path& file, const std::string& fact) {
  fail(ErrorCode::file_mismatch, file.string(), fact,
       "give the --preset, or --config and --set, that the checkpoint was trained with");
}

const Value& entry(const TorchFile& file, const Value& dict, std::string_view key, Kind kind,
                   const char* fix) {
  const Value* value = file.find(dict, key);
  if (value != nullptr && value->kind == kind) return *value;
  fail(ErrorCode::file_mismatch, file.path().string(),
       "is no checkpoint of score_sde_pytorch: it lacks the entry \"" + std::string(key) + "\"",
       fix);
}

Shape reference_shape(const nn::Parameter& p) {
  const Shape& s = p.value->shape();
  switch (p.layout) {
    case nn::ReferenceLayout::same:
      return s;
    case nn::ReferenceLayout::conv:
      return {s[0], s[3], s[1], s[2]};
    case nn::ReferenceLayout::nin:
      break;
  }
  return {s[1], s[0]};
}

/// Reads a checkpoint's tensors for one network.
class Importer {
 public:
  Importer(nn::Network& network, const fs::path& path) : network_(network), file_(path) {
    for (const nn::Parameter& p : nn::parameters_of(network)) parameters_[p.reference_name] = p;
    list_model();
  }

  CheckpointInfo load(CheckpointWeights weights) {
    SafetensorsFile tensors;
    if (weights == CheckpointWeights::ema) replace_by_averages();
    for (const auto& [name, value] : model_) {
      check(name, *value);
      tensors.tensors.emplace_back(name, file_.read(*value, name));
    }
    nn::load_reference_parameters(network_, tensors, file_.path());
    info_.tensors = static_cast<int64_t>(model_.size());
    if (const Value* step = file_.find(file_.root(), "step"); step != nullptr) {
      info_.step = step->integer;
    }
    return info_;
  }

 private:
  /// Fills model_ with the parameters in the order of the file, and reads the noise levels.
  void list_model() {
    const Value& model =
        entry(file_, file_.root(), "model", Kind::dict, "use a file {optimizer, model, ema, step}");
    std::set<std::string> seen;
    size_t prefixed = 0;
    for (size_t i = 0; i + 1 < model.items.size(); i += 2) {
      const Value& key = file_.at(model.items[i]);
      const Value& value = file_.at(model.items[i + 1]);
      std::string name = key.text;
      if (name.starts_with(kPrefix)) {
        name.erase(0, kPrefix.size());
        ++prefixed;
      }
      if (!seen.insert(name).second) mismatch(file_.path(), "has two tensors " + name);
      if (name == kNoiseLevels) {
        read_noise_levels(value);
      } else if (parameters_.contains(name)) {
        model_.emplace_back(name, &value);
      } else {
        mismatch(file_.path(), "has a tensor that the network does not know, " + name);
      }
    }
    if (prefixed != 0 && prefixed != seen.size()) {
      mismatch(file_.path(), "has names with and without \"module.\"");
    }
    for (const auto& [name, parameter] : parameters_) {
      if (!seen.contains(name)) mismatch(file_.path(), "has no tensor " + name);
    }
  }

  void read_noise_levels(const Value& value) {
    const std::string name(kNoiseLevels);
    const Shape shape = file_.shape(value, name);
    const DType dtype = file_.dtype(value, name);
    if (shape.rank() != 1 || !is_floating(dtype)) {
      mismatch(file_.path(), name + " is no list of noise levels");
    }
    info_.sigmas = ops::cast(file_.read(value, name), DType::f64).to_vector<double>();
  }

  /// Puts the averages in the place of the trained parameters.
  void replace_by_averages() {
    const char* fix = "use --weights model";
    const Value& averages = entry(file_, file_.root(), "ema", Kind::dict, fix);
    const Value& list = entry(file_, averages, "shadow_params", Kind::list, fix);
    size_t next = 0;
    for (auto& [name, value] : model_) {
      if (parameters_.at(name).training == nn::Training::frozen) continue;
      if (next < list.items.size()) value = &file_.at(list.items[next]);
      ++next;
    }
    if (next == list.items.size()) return;
    mismatch(file_.path(), "has " + std::to_string(list.items.size()) +
                               " averages for the network's " + std::to_string(next) +
                               " trained parameters");
  }

  /// Before any memory is asked for: what is read is as large as the network.
  void check(const std::string& name, const Value& value) const {
    const Shape found = file_.shape(value, name), needed = reference_shape(parameters_.at(name));
    if (!(found == needed)) {
      mismatch(file_.path(), name + " has shape " + to_string(found) + ", the network needs " +
                                 to_string(needed));
    }
    if (!is_floating(file_.dtype(value, name))) {
      mismatch(file_.path(), name + " is not floating");
    }
  }

  nn::Network& network_;
  TorchFile file_;
  std::map<std::string, nn::Parameter> parameters_;          // by the reference's names
  std::vector<std::pair<std::string, const Value*>> model_;  // in the order of the file
  CheckpointInfo info_;
};

}  // namespace

CheckpointInfo load_checkpoint(nn::Network& network, const fs::path& file,
                               CheckpointWeights weights) {
  return Importer(network, file).load(weights);
}

void check_noise_levels(const CheckpointInfo& info, const sde::SdeConfig& sde,
                        const fs::path& file) {
  if (info.sigmas.empty()) return;
  if (info.sigmas.size() != static_cast<size_t>(sde.num_scales)) {
    mismatch(file, "has " + std::to_string(info.sigmas.size()) +
                       " noise levels, sde.num_scales is " + std::to_string(sde.num_scales));
  }
  if (sde.name != "ve") return;
  const auto compare = [&](double found, double wanted, const char* key) {
    // The table is exp(log(sigma)), perhaps in f32: a few units of 2^-23.
    if (std::abs(found - wanted) <= 1e-5 * wanted) return;
    mismatch(file, "has the noise level " + detail::number_text(found) + " where " + key + " is " +
                       detail::number_text(wanted));
  };
  compare(info.sigmas.front(), sde.sigma_max, "sde.sigma_max");
  compare(info.sigmas.back(), sde.sigma_min, "sde.sigma_min");
}

}  // namespace ito::tools
