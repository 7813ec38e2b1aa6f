#include "tools/import/inception.h"

#include <cmath>
#include <fstream>

#include "engine/autograd/autograd.h"
#include "kernels/cast/op.h"
#include "tools/import/tensor_source.h"

namespace ito::tools {
namespace {

constexpr double kNormEps = 1e-3;
constexpr int kFeatures = 2048;  // of the undivided network

[[noreturn]] void other_network(const std::filesystem::path& file, const std::string& fact) {
  fail(ErrorCode::file_mismatch, file.string(), fact,
       "use pt_inception-2015-12-05-6726825d.pth of pytorch-fid");
}

TensorSource source_of(const std::filesystem::path& file) {
  // The header of a safetensors file begins at its ninth byte.
  std::ifstream in(file, std::ios::binary);
  char first[9] = {};
  if (in.read(first, sizeof first) && first[8] == '{') return safetensors_source(file);
  const auto torch = std::make_shared<const TorchFile>(file);
  if (torch->root().kind != Value::Kind::dict) other_network(file, "is no dictionary of tensors");
  return torch_source(torch, torch->root());
}

/// A tensor of the file in fp64, taken out of what is left to use.
Tensor take(TensorSource& source, const std::string& name, const Shape& needed) {
  const auto found = source.tensors.find(name);
  if (found == source.tensors.end()) other_network(source.path, "has no tensor " + name);
  const Shape shape = found->second.shape();
  if (shape != needed) {
    other_network(source.path, name + " has shape " + to_string(shape) + ", the network needs " +
                                   to_string(needed));
  }
  if (!is_floating(found->second.dtype())) other_network(source.path, name + " is not floating");
  const Tensor value = ops::cast(found->second.read(), DType::f64);
  source.tensors.erase(found);
  return value;
}

nn::InceptionConfig config_of(const TensorSource& source) {
  const auto head = source.tensors.find("fc.weight");
  if (head == source.tensors.end()) other_network(source.path, "has no tensor fc.weight");
  const Shape shape = head->second.shape();
  const bool divides = shape.rank() == 2 && shape[1] > 0 && kFeatures % shape[1] == 0 &&
                       kFeatures / shape[1] <= 16 && shape[0] >= 1 && shape[0] <= 100'000;
  if (!divides) other_network(source.path, "fc.weight has shape " + to_string(shape));
  return {.divisor = kFeatures / static_cast<int>(shape[1]), .classes = static_cast<int>(shape[0])};
}

/// Scale and shift per channel that a batch normalisation comes down to.
struct Folded {
  std::vector<double> scale, shift;
};

Folded fold(TensorSource& source, const std::string& norm, int64_t channels) {
  const auto values = [&](const char* part) {
    return take(source, norm + part, {channels}).to_vector<double>();
  };
  const auto gamma = values(".weight"), beta = values(".bias"), mean = values(".running_mean"),
             variance = values(".running_var");
  Folded f;
  for (size_t c = 0; c < gamma.size(); ++c) {
    f.scale.push_back(gamma[c] / std::sqrt(variance[c] + kNormEps));
    f.shift.push_back(beta[c] - mean[c] * f.scale[c]);
  }
  return f;
}

void fill_convolution(TensorSource& source, const std::string& name, const nn::Parameter& weight,
                      const nn::Parameter& bias) {
  const Shape& s = weight.value->shape();
  const Tensor theirs = take(source, name + ".conv.weight", {s[0], s[3], s[1], s[2]});
  const Folded f = fold(source, name + ".bn", s[0]);
  source.tensors.erase(name + ".bn.num_batches_tracked");
  const Tensor w = nn::from_reference(theirs, nn::ReferenceLayout::conv).clone();
  const auto entries = w.span<double>();
  const size_t per_channel = entries.size() / f.scale.size();
  for (size_t i = 0; i < entries.size(); ++i) entries[i] *= f.scale[i / per_channel];
  weight.value->copy_from(ops::cast(w, DType::f32));
  bias.value->copy_from(ops::cast(Tensor::from(f.shift, {s[0]}), DType::f32));
}

}  // namespace

nn::Inception import_inception(const std::filesystem::path& file) {
  const NoGradScope off;
  TensorSource source = source_of(file);
  nn::Inception network(config_of(source));
  const std::vector<nn::Parameter> parameters = nn::parameters_of(network);
  constexpr std::string_view kWeight = ".weight";
  // Weight and bias of each layer follow one another; the last layer has no normalisation.
  for (size_t i = 0; i + 2 < parameters.size(); i += 2) {
    const std::string& weight = parameters[i].name;
    fill_convolution(source, weight.substr(0, weight.size() - kWeight.size()), parameters[i],
                     parameters[i + 1]);
  }
  for (size_t i = parameters.size() - 2; i < parameters.size(); ++i) {
    const nn::Parameter& p = parameters[i];
    p.value->copy_from(ops::cast(take(source, p.name, p.value->shape()), DType::f32));
  }
  if (!source.tensors.empty()) {
    other_network(file,
                  "has a tensor that the network does not know, " + source.tensors.begin()->first);
  }
  return network;
}

}  // namespace ito::tools
