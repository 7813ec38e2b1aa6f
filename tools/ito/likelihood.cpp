#include <CLI/CLI.hpp>
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/io/atomic_file.h"
#include "samplers/likelihood/log_likelihood.h"
#include "sde/training/score_model.h"
#include "tools/config/config.h"
#include "tools/data/batch_source.h"
#include "tools/ito/commands.h"
#include "tools/run/class_guidance.h"
#include "tools/run/json_text.h"
#include "tools/run/output_check.h"
#include "tools/run/progress.h"

namespace ito::tools {
namespace {

struct LikelihoodOptions {
  std::string model, data, split = "test", divergence = "rademacher", csv, classes;
  int64_t images = 0, batch = 64, seed = 0;
  int probes = 1;
  double tolerance = 1e-5, eps = 1e-5;
  bool json = false;
  CommonOptions common;
};

std::shared_ptr<const data::Dataset> dataset_of(const LikelihoodOptions& o,
                                                const sde::ScoreModel& model) {
  Config config;
  config.fields().apply_known(model.settings, model.file.string());
  if (!o.data.empty()) config.data.path = o.data;
  std::shared_ptr<const data::Dataset> set =
      data::open_dataset(config.data, o.split == "train" ? data::Split::train : data::Split::test);
  if (!set->has_bytes()) {
    fail(ErrorCode::bad_combination, "ito likelihood",
         "\"" + set->name() + "\" holds points, which have no bits", "give a model of images");
  }
  return set;
}

/// Which class an image is said to have, for log p(x | y): that of its label, or one for all.
std::function<int64_t(int64_t image)> class_of(const LikelihoodOptions& o,
                                               const sde::ScoreModel& model,
                                               const data::Dataset& set) {
  if (o.classes.empty()) return nullptr;
  if (o.classes != "labels") {
    const std::vector<int64_t> given = parse_ranges(o.classes, "--class");
    if (given.size() != 1) {
      fail(ErrorCode::bad_value, "--class", "names " + std::to_string(given.size()) + " classes",
           "give one class for all images, or labels");
    }
    check_classes(given, model);
    return [y = given[0]](int64_t) { return y; };
  }
  check_classes({}, model);
  if (set.classes() != model.classes()) {
    fail(ErrorCode::bad_combination, "--class labels",
         "\"" + set.name() + "\" has labels of " + std::to_string(set.classes()) +
             " classes, the model knows " + std::to_string(model.classes()),
         "give the data that the model was trained on, or one class for all images");
  }
  return [&set](int64_t image) { return set.label(image); };
}

samplers::LikelihoodOptions solver_of(const LikelihoodOptions& o) {
  using samplers::Divergence;
  return {.solver = {.rtol = o.tolerance, .atol = o.tolerance},
          .eps = o.eps,
          .divergence = o.divergence == "exact"      ? Divergence::exact
                        : o.divergence == "gaussian" ? Divergence::gaussian
                                                     : Divergence::rademacher,
          .probes = o.probes,
          .seed = static_cast<uint64_t>(o.seed)};
}

struct Images {
  Tensor x;                        ///< dequantised, in the range of the network
  std::vector<double> log_slopes;  ///< of each image, the sum of log dx / d(pixel) of a logit; or 0
};

/// Images [first, first + count) of the set.
Images images_of(const data::Dataset& set, int64_t first, int64_t count, uint64_t seed,
                 data::PixelMap map) {
  const data::ImageShape s = set.shape();
  Images images{Tensor::empty({count, s.height, s.width, s.channels}, DType::f32), {}};
  for (int64_t i = 0; i < count; ++i) {
    const auto out = images.x.span<float>().subspan(static_cast<size_t>(i) * s.numel(), s.numel());
    data::dequantize(set.pixels(first + i), {seed, Purpose::data, 0},
                     static_cast<uint32_t>(first + i), out);
    images.log_slopes.push_back(map.logit ? data::logit_transform(out) : 0);
    if (!map.logit) data::to_network_range(map, out);
  }
  return images;
}

struct Results {
  std::vector<double> bits;  ///< per dimension, one per image
  double evaluations = 0;    ///< mean over the images
};

Results evaluate(const LikelihoodOptions& o, const sde::ScoreModel& model, const data::Dataset& set,
                 int64_t count, Device device) {
  const bool centered = model.sde->centered_data();
  const samplers::Quantization quantization{.low = centered ? -1.0 : 0.0};
  const data::PixelMap map{.centered = centered, .logit = data::pixel_map(model.settings).logit};
  Progress progress;
  Results results;
  const auto seed = static_cast<uint64_t>(o.seed);
  const auto class_of_image = class_of(o, model, set);
  for (int64_t first = 0; first < count; first += o.batch) {
    const int64_t n = std::min(o.batch, count - first);
    std::vector<int64_t> indices(static_cast<size_t>(n));
    std::iota(indices.begin(), indices.end(), first);
    std::vector<int64_t> classes;
    if (class_of_image)
      std::ranges::transform(indices, std::back_inserter(classes), class_of_image);
    const Images images = images_of(set, first, n, seed, map);
    const samplers::Likelihood l =
        samplers::log_likelihood(class_of_image ? model.score(classes) : model.score(), *model.sde,
                                 images.x.to(device), indices, solver_of(o));
    for (size_t i = 0; i < l.logp.size(); ++i) {
      results.bits.push_back(samplers::bits_per_dim(l.logp[i] + images.log_slopes[i],
                                                    static_cast<int64_t>(set.shape().numel()),
                                                    quantization));
    }
    for (const int64_t e : l.evaluations) {
      results.evaluations += static_cast<double>(e) / static_cast<double>(count);
    }
    const samplers::Summary so_far = samplers::summarize(results.bits);
    char text[120];
    std::snprintf(text, sizeof text, "images %" PRId64 "/%" PRId64 "  bits/dim %.4f +- %.4f",
                  first + n, count, so_far.mean, so_far.standard_error);
    progress.show(text);
  }
  return results;
}

void write_csv(const std::string& file, const std::vector<double>& bits) {
  std::string text = "image,bits_per_dim\n";
  char line[64];
  for (size_t i = 0; i < bits.size(); ++i) {
    std::snprintf(line, sizeof line, "%zu,%.17g\n", i, bits[i]);
    text += line;
  }
  write_file_atomically(file, std::vector<uint8_t>(text.begin(), text.end()));
}

int run_likelihood(const LikelihoodOptions& o) {
  if (!o.csv.empty()) check_output_file(o.csv);
  const Device device = o.common.apply();
  const sde::ScoreModel model = sde::load_score_model(o.model, device);
  samplers::check_flow(*model.sde, model.labelling.labels);
  const auto set = dataset_of(o, model);
  const int64_t count = o.images == 0 ? set->size() : std::min(o.images, set->size());
  const Results r = evaluate(o, model, *set, count, device);
  const samplers::Summary s = samplers::summarize(r.bits);
  if (!o.csv.empty()) write_csv(o.csv, r.bits);
  const double offset =
      samplers::bits_per_dim_offset({.low = model.sde->centered_data() ? -1.0 : 0.0});
  if (o.json) {
    print_json({{"bits_per_dim", s.mean},
                {"standard_error", s.standard_error},
                {"images", count},
                {"evaluations", r.evaluations},
                {"offset", offset},
                {"eps", o.eps},
                {"tolerance", o.tolerance},
                {"divergence", o.divergence},
                {"probes", o.probes},
                {"split", o.split},
                {"class", o.classes.empty() ? Json() : Json(o.classes)}});
    return 0;
  }
  std::printf("bits/dim      %.4f +- %.4f (standard error)\n", s.mean, s.standard_error);
  std::printf("images        %" PRId64 " of %" PRId64 " (%s split of %s)\n", count, set->size(),
              o.split.c_str(), set->name().c_str());
  if (!o.classes.empty()) {
    std::printf("classes       log p(x | y), y %s\n",
                o.classes == "labels" ? "from the labels" : ("= " + o.classes).c_str());
  }
  std::printf("evaluations   %.1f per image, each with %s\n", r.evaluations,
              o.divergence == "exact"
                  ? "one product per dimension"
                  : (std::to_string(o.probes) + " " + o.divergence + " probe(s)").c_str());
  std::printf(
      "conventions   -log2 p / d + %g; bytes made continuous by (k + u) / 256; t from %g; "
      "tolerance %g\n",
      offset, o.eps, o.tolerance);
  return 0;
}

}  // namespace

Command add_likelihood(CLI::App& app) {
  const auto o = std::make_shared<LikelihoodOptions>();
  app.add_option("model", o->model, "Run folder, checkpoint folder, or .safetensors file")
      ->required();
  app.add_option("--data", o->data, "Folder or file of the data set; the training's if not given");
  app.add_option("--split", o->split, "train or test")
      ->check(CLI::IsMember({"train", "test"}))
      ->capture_default_str();
  app.add_option("--images", o->images, "How many, from the first on; 0: all")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 32))
      ->capture_default_str();
  app.add_option("--class", o->classes,
                 "Of a model that knows classes: log p(x | y) with y from the data's labels "
                 "(labels), or one class for all images")
      ->type_name("labels|CLASS");
  app.add_option("--divergence", o->divergence, "rademacher, gaussian (Hutchinson) or exact")
      ->check(CLI::IsMember({"rademacher", "gaussian", "exact"}))
      ->capture_default_str();
  app.add_option("--probes", o->probes, "Hutchinson probes per image")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--tolerance", o->tolerance, "Relative and absolute, of a solver step")
      ->check(CLI::Range(1e-12, 1.0))
      ->capture_default_str();
  app.add_option("--eps", o->eps, "Time of the data")
      ->check(CLI::Range(1e-9, 0.1))
      ->capture_default_str();
  app.add_option("--seed", o->seed, "Of dequantisation and probes")
      ->check(CLI::Range(int64_t{0}, kMostSeed))
      ->capture_default_str();
  app.add_option("--batch", o->batch, "Images computed together. Never changes results")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--csv", o->csv, "Write bits/dim of every image to this file");
  add_json(app, o->json);
  o->common.add_to(app);
  return [o] { return run_likelihood(*o); };
}

}  // namespace ito::tools
