#include "models/load.h"

#include <map>

#include "engine/autograd/autograd.h"
#include "engine/io/settings_json.h"
#include "kernels/cast/op.h"

namespace ito::nn {
namespace {

[[noreturn]] void mismatch(const std::filesystem::path& file, const std::string& fact) {
  fail(ErrorCode::file_mismatch, file.string(), fact,
       "use a file written for this network, or the configuration that it was trained with");
}

void check_shape(const Parameter& p, const Tensor& found, const std::filesystem::path& file) {
  if (found.shape() == p.value->shape()) return;
  mismatch(file, p.name + " has shape " + to_string(found.shape()) + ", the network needs " +
                     to_string(p.value->shape()));
}

}  // namespace

std::vector<std::pair<std::string, Tensor>> named_parameters(Network& network) {
  std::vector<std::pair<std::string, Tensor>> list;
  for (const Parameter& p : parameters_of(network)) list.emplace_back(p.name, *p.value);
  return list;
}

void load_parameters(Network& network, const SafetensorsFile& tensors,
                     const std::filesystem::path& file) {
  const NoGradScope off;
  std::map<std::string, Tensor> found(tensors.tensors.begin(), tensors.tensors.end());
  const auto parameters = parameters_of(network);
  for (const Parameter& p : parameters) {
    const auto it = found.find(p.name);
    if (it == found.end()) mismatch(file, "has no tensor " + p.name);
    check_shape(p, it->second, file);
    if (!is_floating(it->second.dtype())) mismatch(file, p.name + " is not floating");
  }
  if (found.size() != parameters.size()) {
    for (const Parameter& p : parameters) found.erase(p.name);
    mismatch(file, "has a tensor that the network does not know, " + found.begin()->first);
  }
  for (const Parameter& p : parameters) {
    p.value->detach().copy_from(ops::cast(found.at(p.name), p.value->dtype()));
  }
}

void load_reference_parameters(Network& network, const SafetensorsFile& tensors,
                               const std::filesystem::path& file, const std::string& prefix) {
  const NoGradScope off;
  for (const Parameter& p : parameters_of(network)) {
    const Tensor value = from_reference(tensors.at(prefix + p.reference_name, file), p.layout);
    check_shape(p, value, file);
    p.value->detach().copy_from(ops::cast(value, p.value->dtype()));
  }
}

Settings settings_of(const SafetensorsFile& tensors, const std::filesystem::path& file) {
  const auto it = tensors.metadata.find("config");
  if (it == tensors.metadata.end()) {
    fail(ErrorCode::file_mismatch, file.string(), "carries no configuration",
         "use model.safetensors or ema.safetensors of a checkpoint written by ito");
  }
  return settings_from_json(it->second, file.string());
}

NetworkConfig network_config(const Settings& settings, std::string_view subject) {
  NetworkConfig config;
  Fields f;
  config.model.fields(f);
  config.image.fields(f);
  f.apply_known(settings, subject);
  return config;
}

}  // namespace ito::nn
