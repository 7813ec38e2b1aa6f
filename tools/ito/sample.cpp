#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>

#include "engine/io/checksum.h"
#include "samplers/ode/probability_flow.h"
#include "sde/training/score_model.h"
#include "sde/training/trained_network.h"
#include "tools/config/config.h"
#include "tools/data/grid.h"
#include "tools/data/png.h"
#include "tools/ito/commands.h"
#include "tools/run/class_guidance.h"
#include "tools/run/pictures.h"
#include "tools/run/progress.h"

namespace ito::tools {
namespace {

struct SampleOptions {
  std::string model, method, seeds = "0-15", grid, png_folder, trajectory;
  std::string classifier, classes;
  std::optional<double> guidance;
  std::vector<std::string> overrides;
  int64_t seed = 0, batch = 64;
  int steps = 0;
  double tolerance = 0;
  bool reference = false;
  CommonOptions common;
};

SampleJob job_of(const SampleOptions& o, const sde::ScoreModel& model, Device device) {
  Config config;
  const Fields fields = config.fields();
  fields.apply_known(model.settings, model.file.string());
  for (const std::string& assignment : o.overrides) {
    const size_t equal = assignment.find('=');
    if (!assignment.starts_with("sampling.") || equal == std::string::npos) {
      fail(ErrorCode::bad_usage, "--set", "\"" + assignment + "\" is not sampling.key=value",
           "only the section sampling can be changed for a trained model");
    }
    fields.assign(assignment.substr(0, equal), assignment.substr(equal + 1), "--set");
  }
  if (o.steps > 0) config.sampling.steps = o.steps;
  if (!o.method.empty()) config.sampling.method = o.method;
  if (o.tolerance > 0) config.sampling.rtol = config.sampling.atol = o.tolerance;
  config.sampling.validate();
  return {.score = model.score(),
          .sde = model.sde,
          .sample_shape = model.sample_shape,
          .sampling = config.sampling,
          .seed = static_cast<uint64_t>(o.seed),
          .batch = o.batch,
          .device = device,
          .reference = o.reference};
}

void check_class_options(const SampleOptions& o, const sde::ScoreModel& model) {
  if (o.classes.empty()) {
    const bool guided = !o.classifier.empty() || o.guidance.has_value();
    if (!guided) return;
    fail(ErrorCode::bad_usage, o.classifier.empty() ? "--guidance" : "--classifier",
         "is given without --class", "say what to draw, e.g. --class 0-9");
  }
  if (o.classifier.empty() && model.classes() == 0) {
    fail(ErrorCode::bad_usage, "--class", "is given, but this model knows no classes",
         "give --classifier PATH, or a model trained with model.num_classes");
  }
}

/// Guidance by a classifier, or none.
std::shared_ptr<const ClassGuidance> guidance_of(const SampleOptions& o,
                                                 const sde::ScoreModel& model, Device device) {
  if (o.classifier.empty()) return nullptr;
  Config config;
  config.fields().apply_known(model.settings, model.file.string());
  return std::make_shared<ClassGuidance>(sde::load_classifier(o.classifier, device), config.sde,
                                         model.sample_shape, parse_ranges(o.classes, "--class"),
                                         o.guidance.value_or(1));
}

/// Scores of samples of the classes that the model itself knows.
std::function<sde::ScoreFn(const std::vector<int64_t>&)> class_scores(
    const SampleOptions& o, const sde::ScoreModel& model) {
  const std::vector<int64_t> classes = parse_ranges(o.classes, "--class");
  for (const int64_t c : classes) {
    if (c < model.classes()) continue;
    fail(ErrorCode::bad_value, "--class", "names class " + std::to_string(c),
         "the model has classes 0 to " + std::to_string(model.classes() - 1));
  }
  return [&model, classes, weight = o.guidance.value_or(0)](const std::vector<int64_t>& samples) {
    return model.score(in_turn(classes, samples), weight);
  };
}

void write_single_images(const std::string& folder, const Tensor& x,
                         const std::vector<int64_t>& seeds, bool centered) {
  std::vector<float> values = x.to_vector<float>();
  if (centered) {
    for (float& v : values) v = 0.5f * (v + 1);
  }
  const std::vector<uint8_t> bytes = data::to_bytes(values, data::Rounding::nearest);
  const data::ImageShape shape{static_cast<int>(x.size(1)), static_cast<int>(x.size(2)),
                               static_cast<int>(x.size(3))};
  for (size_t i = 0; i < seeds.size(); ++i) {
    char name[32];
    std::snprintf(name, sizeof name, "seed_%06lld.png", static_cast<long long>(seeds[i]));
    const auto part = std::span(bytes).subspan(i * shape.numel(), shape.numel());
    data::write_png(std::filesystem::path(folder) / name, part, shape);
  }
}

[[noreturn]] void no_output(const std::string& path, const char* fact) {
  fail(ErrorCode::write_failed, path, fact, "name a file in a folder that exists");
}

/// Output that cannot be written is noticed before hours of sampling, not after.
void prepare_outputs(const SampleOptions& o) {
  std::error_code error;
  for (const std::string& file : {o.grid, o.trajectory}) {
    if (file.empty()) continue;
    const std::filesystem::path folder = std::filesystem::path(file).parent_path();
    if (!folder.empty() && !std::filesystem::is_directory(folder, error)) {
      no_output(file, "its folder does not exist");
    }
    if (std::filesystem::is_directory(file, error)) no_output(file, "is a folder");
  }
  if (o.png_folder.empty()) return;
  std::filesystem::create_directories(o.png_folder, error);
  if (error) no_output(o.png_folder, ("cannot be created: " + error.message()).c_str());
}

int run_sample(const SampleOptions& o) {
  const Device device = o.common.apply();
  const std::vector<int64_t> seeds = parse_ranges(o.seeds, "--seeds");
  const sde::ScoreModel model = sde::load_score_model(o.model, device);
  SampleJob job = job_of(o, model, device);
  check_class_options(o, model);
  const auto guidance = guidance_of(o, model, device);
  if (guidance) {
    job.score_of = [&](const std::vector<int64_t>& samples) {
      return guidance->guided(job.score, samples, device);
    };
  } else if (!o.classes.empty()) {
    job.score_of = class_scores(o, model);
  }
  if (job.sampling.method != "pc" && job.sampling.method != "annealed_langevin") {
    samplers::check_flow(*model.sde, model.labelling.labels);
  }
  prepare_outputs(o);
  Progress progress;
  const auto start = std::chrono::steady_clock::now();
  const auto watch = [&](const samplers::StepView& view, int64_t done) {
    const std::string of = view.steps > 0 ? "/" + std::to_string(view.steps) : "";
    progress.show("samples " + std::to_string(done) + "/" + std::to_string(seeds.size()) +
                  "  step " + std::to_string(view.step + 1) + of);
    return samplers::Verdict::go_on;
  };
  const auto [x, evaluations] = draw(job, seeds, watch);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const bool centered = model.sde->centered_data();
  if (!o.grid.empty()) data::write_png(o.grid, picture_of(x, centered));
  if (!o.png_folder.empty()) write_single_images(o.png_folder, x, seeds, centered);
  if (!o.trajectory.empty()) {
    const std::vector<int64_t> few(seeds.begin(),
                                   seeds.begin() + std::min<std::ptrdiff_t>(8, std::ssize(seeds)));
    data::write_png(o.trajectory, trajectory_picture(job, few, 9));
  }
  progress.line(std::to_string(seeds.size()) + " samples in " + duration_text(seconds) + ", " +
                std::to_string(evaluations) + " evaluations each, " + peak_memory_text(device));
  if (guidance) {
    std::printf("classifier agrees on %lld of %zu\n",
                static_cast<long long>(guidance->agreements(x.to(device), seeds)), seeds.size());
  }
  std::printf("checksum %s\n", checksum_text(x).c_str());
  return 0;
}

}  // namespace

Command add_sample(CLI::App& app) {
  const auto o = std::make_shared<SampleOptions>();
  app.add_option("model", o->model, "Run folder, checkpoint folder, or .safetensors file")
      ->required();
  app.add_option("--seeds", o->seeds, "Samples to draw, by number: 0-63 or 1,4,9-12")
      ->capture_default_str();
  app.add_option("--seed", o->seed, "Base seed that all samples share")
      ->check(CLI::Range(int64_t{0}, kMostSeed))
      ->capture_default_str();
  app.add_option("--batch", o->batch, "Samples computed together. Never changes results")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--steps", o->steps, "Predictor steps (sampling.steps)")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--method", o->method,
                 "pc, ode, stochastic_heun, sra1, adaptive, edm, dpm_solver or annealed_langevin "
                 "(sampling.method)");
  app.add_option("--tolerance", o->tolerance,
                 "Error of a step of ode and adaptive (sampling.rtol and atol)")
      ->check(CLI::Range(1e-12, 1.0));
  add_overrides(app, o->overrides, "sampling.key=value");
  app.add_option("--classifier", o->classifier,
                 "Run or file of a classifier that guides the samples to --class");
  app.add_option("--class", o->classes,
                 "Classes to draw, e.g. 3 or 0-9: sample i gets the i-th, in turn; needs a "
                 "class-conditional model or --classifier");
  app.add_option("--guidance", o->guidance,
                 "Weight w: s(x) + w grad log p(y|x) with --classifier (1 if not given); else "
                 "(1 + w) s(x, y) - w s(x), at twice the work (0 if not given)")
      ->check(CLI::Range(0.0, 1000.0));
  app.add_option("--grid", o->grid, "Write all samples as one PNG");
  app.add_option("--png", o->png_folder, "Write each sample as a PNG in this folder");
  app.add_option("--trajectory", o->trajectory,
                 "Write the way from noise to up to 8 samples as one PNG");
  app.add_flag("--reference", o->reference, "Sample exactly as the published code does");
  o->common.add_to(app);
  return [o] { return run_sample(*o); };
}

}  // namespace ito::tools
