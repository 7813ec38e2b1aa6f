#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/core/version.h"
#include "engine/io/atomic_file.h"
#include "engine/io/checksum.h"
#include "engine/io/settings_json.h"
#include "samplers/ode/probability_flow.h"
#include "sde/training/score_model.h"
#include "tools/config/config.h"
#include "tools/data/grid.h"
#include "tools/data/input_file.h"
#include "tools/data/pixel_map.h"
#include "tools/data/png.h"
#include "tools/ito/class_options.h"
#include "tools/ito/commands.h"
#include "tools/run/animation.h"
#include "tools/run/interrupt.h"
#include "tools/run/json_text.h"
#include "tools/run/output_check.h"
#include "tools/run/pictures.h"
#include "tools/run/progress.h"
#include "tools/run/sample_store.h"
#include "tools/run/terminal_picture.h"

namespace ito::tools {
namespace {

namespace fs = std::filesystem;

struct SampleOptions {
  std::string model, method, predictor, corrector;
  std::string grid, png_folder, npz, raw, trajectory, animation;
  ClassOptions classes;
  std::vector<std::string> overrides;
  DrawOptions draw{.seeds = "0-15"};
  int steps = 0, columns = 0, frames = 40;
  double tolerance = 0;
  std::string precision = "fp32";
  std::optional<double> snr;
  bool reference = false, show = false, json = false, overwrite = false;
  CommonOptions common;

  bool stores() const { return !png_folder.empty() || !npz.empty() || !raw.empty(); }
  /// Whether all samples are needed at once.
  bool collects() const { return !grid.empty() || show; }
};

// How samples are drawn.

samplers::SamplingConfig sampling_of(const SampleOptions& o, const sde::ScoreModel& model) {
  Config config;
  const Fields fields = config.fields();
  fields.apply_known(model.settings, model.file.string());
  assign_overrides(fields, o.overrides, {"sampling"});
  samplers::SamplingConfig sampling = config.sampling;
  if (o.steps > 0) sampling.steps = o.steps;
  if (!o.method.empty()) sampling.method = o.method;
  if (!o.predictor.empty()) sampling.predictor = o.predictor;
  if (!o.corrector.empty()) sampling.corrector = o.corrector;
  if (o.snr) sampling.snr = *o.snr;
  if (o.tolerance > 0) sampling.rtol = sampling.atol = o.tolerance;
  sampling.validate();
  return sampling;
}

SampleJob job_of(const SampleOptions& o, const sde::ScoreModel& model,
                 const ClassConditions& classes, Device device) {
  SampleJob job{.score = model.score(),
                .score_of = classes.score_of,
                .sde = model.sde,
                .sample_shape = model.sample_shape,
                .sampling = sampling_of(o, model),
                .seed = static_cast<uint64_t>(o.draw.seed),
                .batch = o.draw.batch,
                .device = device,
                .reference = o.reference,
                .pixels = data::pixel_map(model.settings)};
  if (job.sampling.method != "pc" && job.sampling.method != "annealed_langevin") {
    samplers::check_flow(*model.sde, model.labelling.labels);
  }
  return job;
}

/// Whether a sample is another one in other company.
bool depends_on_batch(const SampleOptions& o, const samplers::SamplingConfig& sampling) {
  return o.reference || o.common.math == "fast" || sampling.snr_norm == "batch_mean" ||
         sampling.control == "whole_batch";
}

/// Everything that a sample depends on besides its seed. Every key is always there.
std::string record_of(const SampleOptions& o, const SampleJob& job, const sde::ScoreModel& model,
                      const ClassConditions& classes) {
  constexpr size_t kReadable = 200;
  const std::string& list = o.classes.classes;
  Json record;
  record["ito"] = ITO_VERSION;
  record["model"] = data::file_sha256(model.file);
  record["shape"] = {job.sample_shape[0], job.sample_shape[1], job.sample_shape[2]};
  record["seed"] = o.draw.seed;
  record["math"] = o.common.math;
  record["precision"] = o.precision;
  record["device"] = job.device.kind == DeviceKind::cpu ? "cpu" : "gpu";
  record["reference"] = o.reference;
  record["batch"] = depends_on_batch(o, job.sampling) ? Json(o.draw.batch) : Json();
  record["classes"] =
      list.size() <= kReadable
          ? list
          : checksum_text(
                Tensor::from(std::vector<uint8_t>(list.begin(), list.end()), {std::ssize(list)}));
  record["guidance"] = o.classes.guidance ? Json(*o.classes.guidance) : Json();
  record["classifier"] = classes.guidance ? data::file_sha256(classes.guidance->file()) : "";
  samplers::SamplingConfig sampling = job.sampling;
  Fields fields;
  fields.section("sampling");
  sampling.fields(fields);
  record.update(Json::parse(settings_to_json(fields.values())));
  return json_text(record);
}

// Outputs.

bool are_points(const Shape& sample) { return sample[0] == 1 && sample[2] == 2; }

/// Output that cannot be written is noticed before hours of sampling, not after.
void check_outputs(const SampleOptions& o, const Shape& sample, int64_t count) {
  std::error_code error;
  std::vector<fs::path> files;
  for (const std::string& file : {o.grid, o.trajectory, o.animation, o.npz, o.raw}) {
    if (file.empty()) continue;
    check_output_file(file);
    const fs::path whole = fs::absolute(file, error).lexically_normal();
    if (std::ranges::find(files, whole) != files.end()) {
      fail(ErrorCode::bad_combination, file, "is the name of two outputs", "give each its own");
    }
    files.push_back(whole);
  }
  if (!o.animation.empty() && fs::path(o.animation).extension() != ".webp") {
    fail(ErrorCode::bad_value, "--animate", "is \"" + o.animation + "\"",
         "name a file that ends in .webp: the animation is a WebP file");
  }
  if (are_points(sample) && !(o.png_folder.empty() && o.npz.empty())) {
    fail(ErrorCode::bad_combination, o.png_folder.empty() ? "--npz" : "--png",
         "is for pictures, and this model draws points",
         "use --grid for a plot, --raw for numbers");
  }
  constexpr int64_t kMostPixels = int64_t{1} << 28;
  if (o.collects() && count > kMostPixels / sample.numel()) {
    fail(ErrorCode::bad_combination, o.show ? "--show" : "--grid",
         "would hold " + std::to_string(count) + " samples", "take fewer --seeds, or --npz");
  }
}

/// All samples of a run, in the order of its seeds.
struct Session {
  Checksum checksum;
  int64_t drawn = 0;  ///< the others were there
  int64_t evaluations = 0, agreements = 0;
  std::vector<float> unit;  ///< in [0, 1], if a picture of all is asked for
  bool finished = true;
  double seconds = 0;
};

/// Draws what is missing, batch after batch.
class Sampling {
 public:
  Sampling(const SampleOptions& o, const SampleJob& job, const ClassConditions& classes,
           const std::vector<int64_t>& seeds, SampleStore* store)
      : o_(o), job_(job), classes_(classes), seeds_(seeds), store_(store) {}

  Session run() {
    const auto start = std::chrono::steady_clock::now();
    if (o_.collects()) session_.unit.resize(seeds_.size() * per_sample());
    for (size_t first = 0; first < seeds_.size() && session_.finished;
         first += static_cast<size_t>(o_.draw.batch)) {
      run_batch(first, std::min(seeds_.size(), first + static_cast<size_t>(o_.draw.batch)));
    }
    if (session_.finished && store_) store_->finish();
    session_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(session_);
  }

 private:
  size_t per_sample() const { return static_cast<size_t>(job_.sample_shape.numel()); }

  /// Takes over what the folder of pictures holds. Other samples have to be drawn.
  bool is_there(int64_t i) {
    if (!store_ || !store_->has(i)) return false;
    if (!o_.collects()) return true;
    const auto bytes = store_->picture(i);
    if (!bytes) return false;
    std::ranges::transform(*bytes, unit_at(i), [](uint8_t v) { return float(v) / 255; });
    return true;
  }
  float* unit_at(int64_t i) { return session_.unit.data() + static_cast<size_t>(i) * per_sample(); }

  void run_batch(size_t first, size_t end) {
    std::vector<int64_t> places, all;
    for (auto i = static_cast<int64_t>(first); i < static_cast<int64_t>(end); ++i) {
      all.push_back(i);
      if (!is_there(i)) places.push_back(i);
    }
    if (places.empty()) return;
    if (depends_on_batch(o_, job_.sampling)) places = all;
    std::vector<int64_t> part;
    for (const int64_t i : places) part.push_back(seeds_[static_cast<size_t>(i)]);
    const Drawn drawn =
        draw_batch(job_, part, [&](const samplers::StepView& view) { return watch(view, first); });
    session_.finished = drawn.finished;
    if (!drawn.finished) return;
    session_.drawn += std::ssize(places);
    session_.evaluations = std::max(session_.evaluations, drawn.evaluations);
    session_.checksum.add(drawn.x);
    if (classes_.guidance) {
      session_.agreements += classes_.guidance->agreements(drawn.x.to(job_.device), part);
    }
    keep(places, drawn.x, static_cast<int64_t>(end));
  }

  void keep(const std::vector<int64_t>& places, const Tensor& x, int64_t end) {
    if (!store_ && !o_.collects()) return;
    std::vector<float> unit = x.to_vector<float>();
    if (!are_points(job_.sample_shape)) data::from_network_range(job_.pixels, unit);
    if (store_) store_->write(places, unit, end);
    if (!o_.collects()) return;
    for (size_t n = 0; n < places.size(); ++n) {
      std::copy_n(unit.data() + n * per_sample(), per_sample(), unit_at(places[n]));
    }
  }

  samplers::Verdict watch(const samplers::StepView& view, size_t done) {
    const std::string of = view.steps > 0 ? "/" + std::to_string(view.steps) : "";
    progress_.show("samples " + std::to_string(done) + "/" + std::to_string(seeds_.size()) +
                   "  step " + std::to_string(view.step + 1) + of);
    return interrupted() ? samplers::Verdict::stop : samplers::Verdict::go_on;
  }

  const SampleOptions& o_;
  const SampleJob& job_;
  const ClassConditions& classes_;
  const std::vector<int64_t>& seeds_;
  SampleStore* store_;
  Session session_;
  Progress progress_;
};

/// Pixel by pixel: in a terminal there is no room for magnified pictures.
void show(const Tensor& unit, int columns) {
  const data::ImageShape s{static_cast<int>(unit.size(1)), static_cast<int>(unit.size(2)),
                           static_cast<int>(unit.size(3))};
  const data::Image picture =
      s.channels == 2 ? picture_of(unit, {})
                      : data::make_grid(data::to_bytes(unit.span<float>(), data::Rounding::nearest),
                                        s, {.columns = columns, .margin = 1});
  std::fputs(terminal_picture(picture, terminal_behind(STDOUT_FILENO)).c_str(), stdout);
}

/// Pictures of all samples, and of how some came about. False if a signal stopped it.
bool write_pictures(const SampleOptions& o, const SampleJob& job, const std::vector<int64_t>& seeds,
                    const Session& session) {
  const Shape& s = job.sample_shape;
  if (o.collects()) {
    const Tensor unit = Tensor::from(session.unit, {std::ssize(seeds), s[0], s[1], s[2]});
    const int columns = static_cast<int>(std::min<int64_t>(o.columns, std::ssize(seeds)));
    if (!o.grid.empty()) data::write_png(o.grid, picture_of(unit, {}, columns));
    if (o.show) show(unit, columns);
  }
  const auto first = [&](int64_t most) {
    return std::vector<int64_t>(seeds.begin(),
                                seeds.begin() + std::min<int64_t>(most, std::ssize(seeds)));
  };
  const auto watch = [](const samplers::StepView&) {
    return interrupted() ? samplers::Verdict::stop : samplers::Verdict::go_on;
  };
  if (!o.trajectory.empty()) {
    const data::Image picture = trajectory_picture(job, first(8), 9, watch);
    if (interrupted()) return false;
    data::write_png(o.trajectory, picture);
  }
  if (o.animation.empty()) return true;
  const auto frames = trajectory_frames(job, first(samples_in_animation(s[0])), o.frames, watch);
  if (interrupted()) return false;
  const auto coding =
      magnification(s[0]) > 1 ? WebpOptions::Coding::lossless : WebpOptions::Coding::lossy;
  write_file_atomically(o.animation, encode_webp(frames, {.coding = coding}));
  return true;
}

// What is reported.

void print_session(const SampleOptions& o, const SampleJob& job, const ClassConditions& classes,
                   int64_t count, const Session& session) {
  Json json;
  json["model"] = o.model;
  json["method"] = job.sampling.method;
  json["steps"] = job.sampling.steps;
  json["seeds"] = o.draw.seeds;
  json["seed"] = o.draw.seed;
  json["samples"] = count;
  json["drawn"] = session.drawn;
  json["evaluations"] = session.evaluations;
  json["seconds"] = session.seconds;
  json["device"] = to_string(job.device);
  json["files"] = Json::array();
  for (const std::string& file : {o.grid, o.png_folder, o.npz, o.raw, o.trajectory, o.animation}) {
    if (!file.empty()) json["files"].push_back(file);
  }
  json["checksum"] = session.drawn == count ? Json(session.checksum.text()) : Json();
  json["classifier_agreements"] = classes.guidance ? Json(session.agreements) : Json();
  print_json(json);
}

void report(const SampleOptions& o, const SampleJob& job, const ClassConditions& classes,
            int64_t count, const Session& session) {
  Progress progress;
  const int64_t there = count - session.drawn;
  progress.line(std::to_string(session.drawn) + " samples in " + duration_text(session.seconds) +
                ", " + std::to_string(session.evaluations) + " evaluations each, " +
                peak_memory_text(job.device) +
                (there > 0 ? "; " + std::to_string(there) + " were there already" : ""));
  if (o.json) return print_session(o, job, classes, count, session);
  if (classes.guidance) {
    std::printf("classifier agrees on %lld of %lld\n", static_cast<long long>(session.agreements),
                static_cast<long long>(session.drawn));
  }
  // The fingerprint of all samples, or none.
  if (there == 0) std::printf("checksum %s\n", session.checksum.text().c_str());
}

int stopped(const SampleOptions& o, int64_t count, const Session& session) {
  Progress progress;
  progress.line("stopped after " + std::to_string(session.drawn) + " of " + std::to_string(count) +
                " samples; " + (o.stores() ? "the same command goes on here" : "nothing was kept"));
  return kExitPreempted;
}

int run_sample(const SampleOptions& o) {
  const Device device = o.common.apply();
  const std::vector<int64_t> seeds = parse_ranges(o.draw.seeds, "--seeds");
  const ClassRequest request = o.classes.request();
  const sde::ScoreModel model = sde::load_score_model(o.model, device);
  if (o.precision == "bf16") nn::convert(*model.network, DType::bf16);
  const ClassConditions classes = class_conditions(request, model, device);
  const SampleJob job = job_of(o, model, classes, device);
  check_outputs(o, model.sample_shape, std::ssize(seeds));
  std::optional<SampleStore> store;
  if (o.stores()) {
    const SampleOutputs outputs{o.png_folder, o.npz, o.raw,
                                o.overwrite ? Existing::overwrite : Existing::refuse};
    store.emplace(outputs, record_of(o, job, model, classes), seeds, model.sample_shape);
  }
  install_interrupt_handlers();
  const Session session = Sampling(o, job, classes, seeds, store ? &*store : nullptr).run();
  if (!session.finished || !write_pictures(o, job, seeds, session)) {
    return stopped(o, std::ssize(seeds), session);
  }
  report(o, job, classes, std::ssize(seeds), session);
  return 0;
}

void add_sampler_options(CLI::App& app, SampleOptions& o) {
  app.add_option("--steps", o.steps, "Predictor steps (sampling.steps)")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--method", o.method,
                 "pc, ode, stochastic_heun, sra1, adaptive, edm, dpm_solver or annealed_langevin "
                 "(sampling.method)");
  app.add_option("--predictor", o.predictor,
                 "Of pc: euler_maruyama, reverse_diffusion, ancestral_sampling, probability_flow, "
                 "ddim or none "
                 "(sampling.predictor)");
  app.add_option("--corrector", o.corrector, "Of pc: none, langevin or ald (sampling.corrector)");
  app.add_option("--snr", o.snr, "Signal-to-noise ratio of the corrector (sampling.snr)")
      ->check(CLI::Range(1e-6, 1e3));
  app.add_option("--tolerance", o.tolerance,
                 "Error of a step of ode and adaptive (sampling.rtol and atol)")
      ->check(CLI::Range(1e-12, 1.0));
  app.add_option("--precision", o.precision, "fp32; bf16: the network in bf16, all else in fp32")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
  add_overrides(app, o.overrides, "sampling.key=value");
  app.add_flag("--reference", o.reference, "Sample exactly as the published code does");
}

void add_outputs(CLI::App& app, SampleOptions& o) {
  app.add_option("--grid", o.grid, "Write all samples as one PNG");
  app.add_option("--columns", o.columns, "Of --grid and --show; as many as rows if not given")
      ->check(CLI::Range(1, 65536));
  app.add_option("--png", o.png_folder,
                 "Write each sample as a PNG in this folder, with samples.json; what is there "
                 "already is not drawn again");
  app.add_option("--npz", o.npz,
                 "Write all samples as arr_0, uint8 [N, H, W, C], for metrics: cut off below, as "
                 "the published code does. A run that was stopped goes on where it was");
  app.add_option("--raw", o.raw, "The same as float32, before clipping and rounding");
  app.add_flag("--overwrite", o.overwrite,
               "Replace what --png, --npz or --raw find there from other settings");
  app.add_option("--trajectory", o.trajectory,
                 "Write the way from noise to up to 8 samples as one PNG");
  app.add_option("--animate", o.animation,
                 "Write that way as a moving picture (.webp): left the states, right what the "
                 "network takes them for");
  app.add_option("--frames", o.frames, "Of --animate")
      ->check(CLI::Range(2, 1000))
      ->capture_default_str();
  CLI::Option* show = app.add_flag(
      "--show", o.show, "Show all samples in the terminal; characters without NO_COLOR's colours");
  add_json(app, o.json)->excludes(show);
}

}  // namespace

Command add_sample(CLI::App& app) {
  const auto o = std::make_shared<SampleOptions>();
  app.add_option("model", o->model, "Run folder, checkpoint folder, or .safetensors file")
      ->required();
  o->draw.add_to(app, "that all samples share");
  add_sampler_options(app, *o);
  o->classes.add_to(app);
  add_outputs(app, *o);
  o->common.add_to(app);
  return [o] { return run_sample(*o); };
}

}  // namespace ito::tools
