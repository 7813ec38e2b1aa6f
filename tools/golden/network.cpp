// The network and the SDE that a case describes.
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/autograd/autograd.h"
#include "models/load.h"
#include "models/make.h"
#include "sde/config.h"
#include "tools/golden/case_run.h"

namespace ito::golden {
namespace {

constexpr double kGradientLimit = 1e-3;
constexpr double kZeroGradientLimit = 1e-5;  // times the rms of the other gradients

/// Where the numbers of the SDE stand: only model files have none in `info`.
std::string sde_section(const CaseRun& run) {
  return run.golden().settings.contains("info.N") ? "info." : "model.";
}

/// Root mean square over all elements of those stored gradients that are not zero in theory.
double typical_gradient(const Case& golden) {
  double sum = 0, count = 0;
  for (const auto& [name, tensor] : golden.arrays.tensors) {
    if (!name.starts_with("grad.") || golden.zero_in_theory(name)) continue;
    sum += std::pow(norm(values(tensor)), 2);
    count += static_cast<double>(tensor.numel());
  }
  return count > 0 ? std::sqrt(sum / count) : 1;
}

double rms(const Tensor& tensor) {
  return norm(values(tensor)) / std::sqrt(std::max(1.0, static_cast<double>(tensor.numel())));
}

}  // namespace

int levels_of(const CaseRun& run) {
  const Case& c = run.golden();
  return static_cast<int>(c.number("info.N", c.number("model.num_scales", 1000)));
}

std::shared_ptr<const sde::Sde> make_sde(const CaseRun& run) {
  const Case& c = run.golden();
  const std::string section = sde_section(run);
  sde::SdeConfig config;
  config.name = c.text("info.sde", "");
  if (config.name.empty()) throw Unknown("no-sde-in-info");
  if (config.name != "ve" && config.name != "vp" && config.name != "subvp") {
    throw Unknown("sde:" + config.name);
  }
  config.sigma_min = c.number(section + "sigma_min", config.sigma_min);
  config.sigma_max = c.number(section + "sigma_max", config.sigma_max);
  config.beta_min = c.number(section + "beta_min", config.beta_min);
  config.beta_max = c.number(section + "beta_max", config.beta_max);
  config.num_scales = levels_of(run);
  return sde::make_sde(config);
}

std::unique_ptr<nn::Network> make_network(const CaseRun& run) {
  const Case& c = run.golden();
  const std::string name = c.text("model.name", "none");
  if (name != "ncsnpp" && name != "ddpm" && !name.starts_with("ncsnv2_"))
    throw Unknown("network:" + name);
  nn::NetworkConfig config = nn::network_config(c.settings, c.file.string());
  config.image.channels = static_cast<int>(
      c.number("data.channels", c.number("data.num_channels", config.image.channels)));
  config.image.sigma_min = c.number("model.sigma_min", config.image.sigma_min);
  config.image.sigma_max = c.number("model.sigma_max", config.image.sigma_max);
  config.image.num_scales = static_cast<int>(c.number("model.num_scales", levels_of(run)));
  auto network = nn::make_network(config.model, config.image, 0);
  // Converted before loading, so that fp64 parameters stay fp64.
  if (run.mode().precision == Precision::fp64) nn::convert(*network, DType::f64);
  nn::load_reference_parameters(*network, c.arrays, c.file);
  if (run.mode().precision == Precision::bf16) nn::convert(*network, DType::bf16);
  for (const nn::Parameter& p : nn::parameters_of(*network)) {
    *p.value = p.value->detach().to(run.mode().device);
  }
  return network;
}

void track_parameters(const std::vector<nn::Parameter>& parameters) {
  for (const nn::Parameter& p : parameters) {
    if (p.training == nn::Training::trained) p.value->set_requires_grad();
  }
}

void expect_loss(CaseRun& run, const Tensor& loss, const Tensor& y, const Tensor& v) {
  const double theirs = run.golden().at("loss").item();
  const double rounding = run.mode().precision == Precision::bf16 ? 5e-3 : 1e-5;
  const double factors = rounding * norm(values(y)) * norm(values(v)) / std::abs(theirs);
  run.expect("loss", {loss.item()}, std::max(2e-4, factors));
}

void expect_gradient(CaseRun& run, const std::string& name, const Tensor& ours, double limit) {
  const Case& c = run.golden();
  if (!c.has(name)) {
    // The reference has no gradient here: neither may we.
    if (ours && norm(values(ours)) > 0) run.record(name, norm(values(ours)), 0);
  } else if (!ours) {
    run.record(name, std::numeric_limits<double>::infinity(), limit);
  } else if (c.zero_in_theory(name)) {
    const bool coarse = run.mode().precision == Precision::bf16;
    run.record(name, rms(ours) / typical_gradient(c), coarse ? 5e-2 : kZeroGradientLimit);
  } else {
    run.expect(name, ours, limit);
  }
}

void expect_gradients(CaseRun& run, const std::vector<nn::Parameter>& parameters,
                      const Tensor& objective, double limit) {
  std::vector<nn::Parameter> trained = parameters;
  std::erase_if(trained, [](const auto& p) { return p.training == nn::Training::frozen; });
  if (trained.empty()) return;
  Tensors wrt;
  for (const nn::Parameter& p : trained) wrt.push_back(*p.value);
  const Tensors gradients = grad(objective, wrt, {.keep_graph = true, .allow_unused = true});
  for (size_t i = 0; i < trained.size(); ++i) {
    const Tensor& g = gradients[i];
    expect_gradient(run, "grad." + trained[i].reference_name,
                    g ? nn::to_reference(g, trained[i].layout) : Tensor(), limit);
  }
}

void expect_gradients(CaseRun& run, nn::Network& network, const Tensor& objective,
                      const Tensor& x) {
  expect_gradients(run, nn::parameters_of(network), objective, kGradientLimit);
  if (x) run.expect_image("grad_input.x", grad(objective, {x})[0], kGradientLimit);
}

}  // namespace ito::golden
