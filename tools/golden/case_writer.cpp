#include "tools/golden/case_writer.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/autograd/autograd.h"
#include "engine/io/safetensors.h"
#include "kernels/permute/op.h"
#include "kernels/unary/op.h"

namespace ito::golden {

void CaseWriter::add(const std::string& name, const Tensor& tensor) {
  arrays_.emplace_back(prefix_ + name, tensor.detach());
}

void CaseWriter::add_image(const std::string& name, const Tensor& tensor) {
  const NoGradScope off;
  add(name, ops::permute(tensor.detach(), {0, 3, 1, 2}));
}

void CaseWriter::add_parameters(const std::vector<nn::Parameter>& parameters) {
  for (const nn::Parameter& p : parameters) {
    add(p.reference_name, nn::to_reference(p.value->detach(), p.layout));
  }
}

void CaseWriter::add_gradients(const std::vector<nn::Parameter>& parameters, const Tensor& loss) {
  for (const nn::Parameter& p : parameters) {
    if (p.training == nn::Training::frozen) continue;
    const std::string name = "grad." + p.reference_name;
    const Tensor g = grad(loss, {*p.value}, {.keep_graph = true})[0];
    add(name, nn::to_reference(g, p.layout));
    if (name.ends_with("NIN_1.b")) zero_.push_back(prefix_ + name);
  }
}

void CaseWriter::write(const std::filesystem::path& folder, const std::string& name,
                       const std::string& category,
                       std::map<std::string, std::string> metadata) const {
  metadata["case"] = name;
  metadata["category"] = category;
  nlohmann::json errors = nlohmann::json::object();
  for (const std::string& array : zero_) errors[array]["exactly_zero_in_theory"] = true;
  metadata["fp32_vs_fp64"] = errors.dump();
  write_safetensors(folder / (name + ".safetensors"), arrays_, metadata);
}

void draw_parameters(const std::vector<nn::Parameter>& parameters, nn::Init& init) {
  const NoGradScope off;
  for (const nn::Parameter& p : parameters) {
    if (p.training == nn::Training::frozen) continue;
    const Shape& shape = p.value->shape();
    const double fan_in = static_cast<double>(shape.numel()) / static_cast<double>(shape[0]);
    const bool gain = p.name.find("norm") != std::string::npos && p.name.ends_with(".weight");
    const Tensor noise = init.normal(shape, shape.rank() == 1 ? 0.3 : 1 / std::sqrt(fan_in));
    p.value->copy_from(gain ? noise + 1.0 : noise);
  }
}

}  // namespace ito::golden
