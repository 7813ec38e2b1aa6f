// golden_writer DIR: writes the golden cases that the project makes itself (tests/golden/cases), by
// running the library in fp64. They hold what the library computed when it agreed with the
// reference implementation; names of arrays and metadata are those of the reference's files, and
// results are stored in fp64.
#include <cstdio>

#include "engine/autograd/autograd.h"
#include "engine/io/settings_json.h"
#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/reduce/op.h"
#include "models/make.h"
#include "sde/config.h"
#include "sde/score.h"
#include "tools/golden/case_run.h"
#include "tools/golden/case_writer.h"

namespace ito::golden {
namespace {

struct Recipe {
  std::string name, sde;
  nn::ModelConfig model;
  nn::ImageConfig image;
};

nn::ModelConfig tiny_network() {
  nn::ModelConfig m;
  m.nf = 4;
  m.ch_mult = {1, 1};
  m.num_res_blocks = 1;
  m.attn_resolutions = {3};
  m.dropout = 0;
  return m;
}

/// An image of 6 x 6: the lower level is odd.
Recipe ddpmpp() {
  return {"model_own_ddpmpp_vp", "vp", tiny_network(), {.image_size = 6, .channels = 3}};
}

Recipe ncsnpp() {
  nn::ModelConfig m = tiny_network();
  m.fir = m.scale_by_sigma = true;
  m.embedding_type = "fourier";
  m.progressive = "output_skip";
  m.progressive_input = "residual";
  return {"model_own_ncsnpp_ve", "ve", m, {.image_size = 6, .channels = 1, .centered = false}};
}

std::string config_of(const Recipe& r) {
  nn::ModelConfig model = r.model;
  nn::ImageConfig image = r.image;
  Fields fields;
  model.fields(fields);
  image.fields(fields);
  Settings settings = fields.values();
  for (const char* key : {"sigma_min", "sigma_max", "num_scales"}) {
    settings[std::string("model.") + key] = settings.at(std::string("sde.") + key);
    settings.erase(std::string("sde.") + key);
  }
  settings["training.continuous"] = true;
  return settings_to_json(settings);
}

void write_case(const Recipe& r, const std::filesystem::path& folder) {
  nn::Init init(1);
  const auto network = nn::make_network(r.model, r.image, 0);
  draw_parameters(nn::parameters_of(*network), init);
  CaseWriter writer;
  writer.add_parameters(nn::parameters_of(*network));
  const Shape shape{2, r.image.image_size, r.image.image_size, r.image.channels};
  const Tensor x32 = init.normal(shape, 1), v32 = init.normal(shape, 1);
  const Tensor t32 = Tensor::from(std::vector<float>{0.7f, 0.125f}, {2});
  const std::shared_ptr<const sde::Sde> sde = sde::make_sde({.name = r.sde});
  const std::vector<double> t = values(t32);
  std::vector<double> labels;
  for (const double time : t) {
    labels.push_back(sde->network_label(time, sde::Labels::continuous, r.image.num_scales));
  }
  const Tensor labels32 = sde::per_sample(labels, x32);
  writer.add_image("input.x", x32);
  writer.add_image("input.v", v32);
  writer.add("input.t", t32);
  writer.add("input.labels", labels32);

  nn::convert(*network, DType::f64);
  Tensor x = ops::cast(x32, DType::f64);
  const auto score = sde::make_score(
      [&](const Tensor& xt, const Tensor& told) { return network->forward(xt, told); }, sde, {});
  writer.add_image("output.score", score(x, t));
  track_parameters(nn::parameters_of(*network));
  x.set_requires_grad();
  const Tensor y = network->forward(x, ops::cast(labels32, DType::f64));
  const Tensor loss = ops::sum(y * ops::cast(v32, DType::f64));
  writer.add_image("output.y", y);
  writer.add("loss", loss);
  writer.add_gradients(nn::parameters_of(*network), loss);
  writer.add_image("grad_input.x", grad(loss, {x})[0]);
  writer.write(folder, r.name, "model",
               {{"config", config_of(r)}, {"info", settings_to_json({{"sde", r.sde}})}});
}

}  // namespace
}  // namespace ito::golden

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: golden_writer DIR\n");
    return 2;
  }
  try {
    ito::golden::write_case(ito::golden::ddpmpp(), argv[1]);
    ito::golden::write_case(ito::golden::ncsnpp(), argv[1]);
    ito::golden::write_layers(argv[1]);
    return 0;
  } catch (const ito::UserError& e) {
    std::fprintf(stderr, "error[E%d] %s\n", static_cast<int>(e.code()), e.what());
    return ito::exit_code_of(e.code());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error[E101] golden_writer: %s\n", ito::escaped(e.what()).c_str());
    return 1;
  }
}
