#include <CLI/CLI.hpp>
#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "engine/core/version.h"
#include "engine/io/checksum.h"
#include "models/inception/inception_file.h"
#include "samplers/ode/probability_flow.h"
#include "sde/training/checkpoint.h"
#include "sde/training/score_model.h"
#include "tools/config/config.h"
#include "tools/data/input_file.h"
#include "tools/ito/commands.h"
#include "tools/ito/eval_log.h"
#include "tools/ito/eval_sweep.h"
#include "tools/metrics/evaluator.h"
#include "tools/run/json_text.h"
#include "tools/run/output_check.h"
#include "tools/run/pictures.h"
#include "tools/run/progress.h"

namespace ito::tools {
namespace {

namespace fs = std::filesystem;

struct EvalOptions {
  std::string target, data, classifier, inception, statistics, checkpoints, best, stats_out;
  std::string weights = "ema", resize = "tf1", stats_layout = "edm";
  std::vector<std::string> metrics, overrides, sweep;
  int64_t samples = 1000, reference_images = 0, directions = 512;
  int64_t pairs = 2000;
  bool allow_small = false, json = false;
  DrawOptions draw;
  CommonOptions common;
};

/// What is evaluated: checkpoints of a run, one file of weights, or finished samples.
struct Target {
  fs::path run;                    ///< records go to its eval.jsonl; empty if it is none
  std::vector<fs::path> weights;   ///< files of networks
  std::optional<fs::path> images;  ///< an .npz file or a folder of pictures
};

bool is_npz(const fs::path& path) { return path.extension() == ".npz"; }

// What is evaluated.

std::vector<fs::path> checkpoints_of(const EvalOptions& o, const fs::path& run) {
  std::vector<fs::path> list;
  if (o.checkpoints.empty()) {
    if (const auto newest = sde::newest_checkpoint(run)) return {*newest};
  } else if (o.checkpoints == "all") {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(run / "checkpoints", error)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("step_") && entry.is_directory(error)) list.push_back(entry.path());
    }
    std::ranges::sort(list);
  } else {
    for (const int64_t step : parse_ranges(o.checkpoints, "--checkpoints")) {
      char name[32];
      std::snprintf(name, sizeof name, "step_%08" PRId64, step);
      list.push_back(run / "checkpoints" / name);
      std::error_code error;
      if (fs::is_directory(list.back(), error)) continue;
      fail(ErrorCode::file_missing, list.back().string(), "does not exist",
           "use --checkpoints all, or steps that the run has kept");
    }
  }
  if (list.empty()) {
    fail(ErrorCode::file_missing, run.string(), "holds no complete checkpoint",
         "train for at least one checkpoint");
  }
  return list;
}

Target target_of(const EvalOptions& o) {
  Target target;
  std::error_code error;
  const fs::path path = o.target;
  if (o.target.empty()) return target;
  if (fs::is_directory(path / "checkpoints", error)) {
    target.run = path;
    for (const fs::path& c : checkpoints_of(o, path)) {
      target.weights.push_back(c / (o.weights + ".safetensors"));
    }
    return target;
  }
  if (!o.checkpoints.empty()) {
    fail(ErrorCode::bad_usage, "--checkpoints", o.target + " is no folder of a run",
         "name the folder that ito train --out wrote");
  }
  if (fs::exists(path / "ema.safetensors", error)) {
    target.weights = {path / (o.weights + ".safetensors")};
  } else if (is_npz(path) || fs::is_directory(path, error)) {
    target.images = path;
  } else {
    target.weights = {path};
  }
  return target;
}

/// All pictures of a folder, with that many channels (0: those of the first).
metrics::ImageSet folder_images(const fs::path& folder, int channels) {
  data::DataConfig config;
  config.name = "folder";
  config.path = folder.string();
  config.channels = channels;
  const auto train = data::open_dataset(config, data::Split::train);
  const auto test = data::open_dataset(config, data::Split::test);
  metrics::ImageSet images = metrics::images_of(*train, 0);
  images.name = folder.string();
  // Large folders hold some images out; here all of them count.
  if (test->size() != train->size()) {
    const metrics::ImageSet rest = metrics::images_of(*test, 0);
    images.bytes.insert(images.bytes.end(), rest.bytes.begin(), rest.bytes.end());
  }
  return images;
}

// What it is compared with.

/// The configuration of the run, changed by --data and --set.
Config config_of(const EvalOptions& o, const Target& target) {
  Config config;
  const Fields fields = config.fields();
  if (!target.weights.empty()) {
    const sde::ScoreModel model = sde::load_score_model(target.weights.front());
    fields.apply_known(model.settings, model.file.string());
  } else {
    config.data.name = "folder";
  }
  if (!o.data.empty()) config.data.path = o.data;
  assign_overrides(fields, o.overrides, {"sampling", "data"});
  config.sampling.validate();
  config.data.validate();
  return config;
}

/// Whether nothing is held out: so it is in small folders.
bool same_images(const data::Dataset& a, const data::Dataset& b) {
  return a.size() == b.size() && a.pixels(0) == b.pixels(0) &&
         a.pixels(a.size() - 1) == b.pixels(b.size() - 1);
}

/// Reference images into the request: a data set with its two splits, or an .npz file, which has
/// none.
void add_reference(const EvalOptions& o, const Target& target, const Config& config,
                   metrics::EvaluationRequest& request) {
  const bool data_set = !target.weights.empty() || !o.data.empty() || config.data.name != "folder";
  if (is_npz(o.data)) {
    request.reference = metrics::read_samples(o.data);
    return;
  }
  if (!data_set) return;
  const auto train = data::open_dataset(config.data, data::Split::train);
  const auto test = data::open_dataset(config.data, data::Split::test);
  request.reference = metrics::images_of(*train, o.reference_images);
  constexpr int64_t kMostHeldOut = 10'000;
  if (!same_images(*train, *test)) request.held_out = metrics::images_of(*test, kMostHeldOut);
}

std::vector<std::string> default_metrics(const metrics::EvaluationRequest& request) {
  std::vector<std::string> list;
  if (request.reference) list = {"swd", "energy"};
  if (request.held_out) list.push_back("memorization");
  if (request.classifier) list.push_back("frechet");
  if (request.inception) {
    list.push_back("is");
    if (request.reference || request.statistics) list.push_back("fid");
    const bool has_features =
        request.statistics ? bool(request.statistics->pool) : request.reference.has_value();
    if (has_features) list.push_back("kid");
  }
  return list;
}

metrics::EvaluationRequest request_of(const EvalOptions& o, const Target& target,
                                      const Config& config, Device device) {
  metrics::EvaluationRequest request{
      .resize = metrics::resize_by_name(o.resize),
      .few_images = o.allow_small ? metrics::FewImages::allow : metrics::FewImages::refuse,
      .directions = o.directions,
      .pairs = o.pairs,
      .seed = static_cast<uint64_t>(o.draw.seed)};
  request.features.batch = std::min<int64_t>(o.draw.batch, 64);
  request.features.device = device;
  if (!o.classifier.empty()) request.classifier = sde::load_classifier(o.classifier, device);
  if (!o.inception.empty()) request.inception = nn::load_inception(o.inception, device);
  if (!o.statistics.empty()) request.statistics = metrics::read_reference(o.statistics);
  add_reference(o, target, config, request);
  request.metrics = o.metrics.empty() ? default_metrics(request) : o.metrics;
  if (request.reference && request.reference->size() < 2) {
    fail(ErrorCode::bad_combination, escaped(request.reference->name),
         "is one image, and one cannot be compared with", "use more, see --reference-images");
  }
  if (request.metrics.empty() && !o.target.empty()) {
    fail(ErrorCode::bad_usage, "ito eval", "there is nothing to compare " + o.target + " with",
         "give --data, or --inception");
  }
  return request;
}

// Everything that the numbers depend on.

Json conditions_of(const EvalOptions& o, const metrics::EvaluationRequest& request) {
  Json c;
  c["ito"] = ITO_VERSION;
  c["metrics"] = request.metrics;
  if (request.reference) {
    const auto& r = *request.reference;
    c["reference"] = {{"name", r.name},
                      {"images", r.size()},
                      {"checksum", checksum_text(Tensor::from(r.bytes, {std::ssize(r.bytes)}))}};
  }
  if (request.held_out) c["held_out_images"] = request.held_out->size();
  if (!o.statistics.empty()) c["statistics"] = data::file_sha256(o.statistics);
  if (request.classifier) c["classifier"] = data::file_sha256(request.classifier->file);
  if (request.inception) {
    c["inception"] = data::file_sha256(o.inception);
    c["resize"] = o.resize;
  }
  c["directions"] = o.directions;
  c["pairs"] = o.pairs;
  c["seed"] = o.draw.seed;
  return c;
}

/// Adds how samples are drawn.
void add_sampling(Json& conditions, const EvalOptions& o, const fs::path& weights,
                  const std::string& seeds, Config& config) {
  conditions["weights"] = o.weights;
  conditions["checksum"] = data::file_sha256(weights);
  conditions["seeds"] = seeds;
  conditions["math"] = o.common.math;
  Json sampling;
  for (const auto& [key, value] : config.settings()) {
    constexpr std::string_view kSection = "sampling.";
    if (!key.starts_with(kSection)) continue;
    Json& entry = sampling[key.substr(kSection.size())];
    std::visit([&entry](const auto& v) { entry = v; }, value);
  }
  conditions["sampling"] = sampling;
}

// Evaluation.

/// Samples and the evaluations that each took.
std::pair<metrics::ImageSet, int64_t> draw_images(const EvalOptions& o,
                                                  const sde::ScoreModel& model,
                                                  const Config& config,
                                                  const std::vector<int64_t>& seeds, Device device,
                                                  Progress& progress) {
  const SampleJob job{.score = model.score(),
                      .sde = model.sde,
                      .sample_shape = model.sample_shape,
                      .sampling = config.sampling,
                      .seed = static_cast<uint64_t>(o.draw.seed),
                      .batch = o.draw.batch,
                      .device = device};
  const auto watch = [&](const samplers::StepView& view, int64_t done) {
    progress.show(escaped(model.file.parent_path().filename().string()) + "  samples " +
                  std::to_string(done) + "/" + std::to_string(seeds.size()) + "  step " +
                  std::to_string(view.step + 1));
    return samplers::Verdict::go_on;
  };
  const Drawn drawn = draw(job, seeds, watch);
  if (!std::ranges::all_of(drawn.x.span<float>(), [](float v) { return std::isfinite(v); })) {
    fail(ErrorCode::not_finite, model.file.string(), "draws samples that are not finite",
         "use more steps, or another checkpoint");
  }
  return {metrics::images_of(drawn.x, data::pixel_map(model.settings), model.file.string()),
          drawn.evaluations};
}

data::ImageShape shape_of(const Shape& s) {
  return {static_cast<int>(s[0]), static_cast<int>(s[1]), static_cast<int>(s[2])};
}

Json metrics_json(const metrics::Results& results) {
  Json json = Json::object();
  for (const auto& [name, value] : results) json[name] = value;
  return json;
}

void print_record(const EvalOptions& o, const Json& record) {
  if (o.json) {
    print_json(record);
    return;
  }
  const Json& c = record["conditions"];
  std::printf("%s\n", escaped(record["target"].get<std::string>()).c_str());
  std::printf("  %-30s %" PRId64 "\n", "images", c["images"].get<int64_t>());
  for (const auto& [name, value] : record["metrics"].items()) {
    std::printf("  %-30s %.6g\n", name.c_str(), value.get<double>());
  }
  if (c.contains("reference")) {
    std::printf("  %-30s %s, %" PRId64 " images\n", "reference",
                escaped(c["reference"]["name"].get<std::string>()).c_str(),
                c["reference"]["images"].get<int64_t>());
  }
  if (c.contains("inception")) {
    std::printf("  %-30s %s, resize %s\n", "inception", c["inception"].get<std::string>().c_str(),
                c["resize"].get<std::string>().c_str());
  }
  if (c.contains("sampling")) {
    const Json& s = c["sampling"];
    const auto text = [&s](const char* key) { return s[key].get<std::string>(); };
    std::printf("  %-30s %s, %" PRId64 " steps, %s + %s, grid %s, denoise %s, weights %s\n",
                "sampler", text("method").c_str(), s["steps"].get<int64_t>(),
                text("predictor").c_str(), text("corrector").c_str(), text("grid").c_str(),
                text("denoise").c_str(), c["weights"].get<std::string>().c_str());
  }
}

/// The best of several records, by --best or by the first of a fixed order that was computed.
void print_best(const EvalOptions& o, const std::vector<Json>& records) {
  std::string by = o.best;
  for (const char* metric : {"fid", "frechet", "kid", "energy", "swd", "mmd", "is"}) {
    if (by.empty() && records[0]["metrics"].contains(metric)) by = metric;
  }
  if (by.empty()) return;
  const auto value = [&](const Json& record) { return record["metrics"][by].get<double>(); };
  const double sign = by == "is" ? -1 : 1;  // of this one more is better
  const auto best = std::ranges::min_element(
      records, {}, [&](const Json& record) { return sign * value(record); });
  const auto target = (*best)["target"].get<std::string>();
  if (o.json) {
    print_json({{"best", target}, {"by", by}, {"value", value(*best)}});
  } else {
    std::printf("best by %s: %s (%.6g)\n", by.c_str(), escaped(target).c_str(), value(*best));
  }
}

/// The numbers of one checkpoint and one way to sample.
Json evaluate_network(const EvalOptions& o, const fs::path& weights, const Config& config,
                      const std::vector<int64_t>& seeds, metrics::Evaluator& evaluator,
                      Device device, Progress& progress) {
  const sde::ScoreModel model = sde::load_score_model(weights, device);
  if (config.sampling.method != "pc" && config.sampling.method != "annealed_langevin") {
    samplers::check_flow(*model.sde, model.labelling.labels);
  }
  evaluator.check(std::ssize(seeds), shape_of(model.sample_shape));
  const auto [images, evaluations] = draw_images(o, model, config, seeds, device, progress);
  progress.line(escaped(weights.string()) + ": metrics");
  Json numbers = metrics_json(evaluator.evaluate(images));
  numbers["evaluations"] = evaluations;
  return numbers;
}

/// Records of all checkpoints and all ways to sample; those in the log, if there is one, are taken
/// from there.
std::vector<Json> evaluate_networks(const EvalOptions& o, const Target& target,
                                    const Config& config, const std::vector<SweepCell>& cells,
                                    const Json& common, metrics::Evaluator& evaluator,
                                    Device device, EvalLog* log) {
  const std::string text =
      o.draw.seeds.empty() ? "0-" + std::to_string(o.samples - 1) : o.draw.seeds;
  const std::vector<int64_t> seeds = parse_ranges(text, "--seeds");
  Progress progress;
  std::vector<Json> records;
  for (const fs::path& weights : target.weights) {
    for (const SweepCell& cell : cells) {
      Config changed = cell.applied_to(config);
      const std::string name = weights.string() + (cell.name.empty() ? "" : " " + cell.name);
      Json conditions = common;
      conditions["images"] = std::ssize(seeds);
      add_sampling(conditions, o, weights, text, changed);
      if (auto done = log ? log->find(json_text(conditions)) : std::nullopt) {
        progress.line(name + ": in eval.jsonl already");
        records.push_back(Json::parse(*done));
      } else {
        records.push_back({{"target", name},
                           {"conditions", conditions},
                           {"metrics", evaluate_network(o, weights, changed, seeds, evaluator,
                                                        device, progress)}});
        if (log) log->append(json_text(records.back()));
      }
      print_record(o, records.back());
    }
  }
  return records;
}

/// The numbers of a sweep side by side.
void print_sweep(const std::vector<Json>& records) {
  std::vector<std::vector<std::string>> rows{{"sampler"}};
  for (const auto& [name, value] : records[0]["metrics"].items()) rows[0].push_back(name);
  for (const Json& record : records) {
    rows.push_back({escaped(record["target"].get<std::string>())});
    for (const auto& [name, value] : record["metrics"].items()) {
      char number[32];
      std::snprintf(number, sizeof number, "%.6g", value.get<double>());
      rows.back().emplace_back(number);
    }
  }
  std::fputs(sweep_table(rows).c_str(), stdout);
}

void evaluate_images(const EvalOptions& o, const fs::path& path, Json conditions, int channels,
                     metrics::Evaluator& evaluator) {
  const metrics::ImageSet images =
      is_npz(path) ? metrics::read_samples(path) : folder_images(path, channels);
  conditions["images"] = images.size();
  print_record(o, {{"target", path.string()},
                   {"conditions", conditions},
                   {"metrics", metrics_json(evaluator.evaluate(images))}});
}

void check_usage(const EvalOptions& o, const Target& target) {
  if (o.target.empty() && o.stats_out.empty()) {
    fail(ErrorCode::bad_usage, "ito eval", "names nothing to evaluate",
         "give a run, an .npz file or a folder; or --stats-out");
  }
  if (target.images && !(o.draw.seeds.empty() && o.sweep.empty())) {
    const std::string option = o.draw.seeds.empty() ? "--sweep" : "--seeds";
    fail(ErrorCode::bad_usage, option, o.target + " holds finished images",
         "leave " + option + " out, or give a trained network");
  }
  if (!o.stats_out.empty()) check_output_file(o.stats_out);
}

void check_best(const EvalOptions& o, const std::vector<std::string>& metrics) {
  const bool computed = std::ranges::find(metrics, o.best) != metrics.end();
  if (o.best.empty() || (computed && o.best != "memorization")) return;
  fail(ErrorCode::bad_value, "--best", "\"" + o.best + "\" is no number that is computed",
       "use one of swd, energy, mmd, frechet, fid, is, kid that --metrics names");
}

int run_eval(const EvalOptions& o) {
  const Device device = o.common.apply();
  const Target target = target_of(o);
  check_usage(o, target);
  std::optional<EvalLog> log;
  if (!target.run.empty()) log.emplace(target.run / "eval.jsonl");
  const Config config = config_of(o, target);
  const std::vector<SweepCell> cells = sweep_cells(o.sweep, config);
  metrics::EvaluationRequest request = request_of(o, target, config, device);
  check_best(o, request.metrics);
  const Json conditions = conditions_of(o, request);
  const int channels = request.reference ? request.reference->shape.channels : 0;
  metrics::Evaluator evaluator(std::move(request));
  if (!o.stats_out.empty()) {
    metrics::write_reference(o.stats_out, evaluator.reference_statistics(),
                             o.stats_layout == "edm" ? metrics::ReferenceLayout::edm
                                                     : metrics::ReferenceLayout::score_sde);
  }
  if (target.images) evaluate_images(o, *target.images, conditions, channels, evaluator);
  if (target.weights.empty()) return 0;
  const std::vector<Json> records = evaluate_networks(o, target, config, cells, conditions,
                                                      evaluator, device, log ? &*log : nullptr);
  if (cells.size() > 1 && !o.json) print_sweep(records);
  if (records.size() > 1) print_best(o, records);
  return 0;
}

void add_metric_options(CLI::App& app, EvalOptions& o) {
  app.add_option("--metrics", o.metrics,
                 "swd, energy, mmd, memorization, frechet, fid, is, kid, with commas between; all "
                 "that the other options allow if not given")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--classifier", o.classifier, "Run or file of a classifier of ours, for frechet");
  app.add_option("--inception", o.inception,
                 "FID's Inception network (ito convert --inception), for fid, is and kid");
  app.add_option("--statistics", o.statistics,
                 "Reference statistics (.npz) for fid and kid: pool_3, or mu and sigma");
  app.add_option("--resize", o.resize,
                 "How images come to 299 x 299: tf1, half-pixel (as pytorch-fid) or antialias")
      ->capture_default_str();
  app.add_flag("--allow-small", o.allow_small,
               "Compute fid, is, kid and frechet of too few samples, too");
  app.add_option("--directions", o.directions, "Projections of swd")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->capture_default_str();
  app.add_option("--pairs", o.pairs, "Most images of each set for energy and mmd")
      ->check(CLI::Range(int64_t{2}, int64_t{100'000}))
      ->capture_default_str();
  app.add_option("--stats-out", o.stats_out, "Write statistics of the reference images (.npz)");
  app.add_option("--stats-layout", o.stats_layout, "edm (mu, sigma) or score_sde (pool_3, logits)")
      ->check(CLI::IsMember({"edm", "score_sde"}))
      ->capture_default_str();
}

}  // namespace

Command add_eval(CLI::App& app) {
  const auto o = std::make_shared<EvalOptions>();
  app.add_option("target", o->target,
                 "Run folder, checkpoint folder, .safetensors file; samples as .npz (arr_0, uint8 "
                 "NHWC) or as a folder of pictures");
  app.add_option("--data", o->data,
                 "Folder or file of the data set, or .npz of images; the training's if not given");
  app.add_option("--reference-images", o->reference_images,
                 "How many of the data set, spread evenly; 0: all")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 32))
      ->capture_default_str();
  app.add_option("--samples", o->samples, "How many samples to draw: seeds 0 to N - 1")
      ->check(CLI::Range(int64_t{2}, int64_t{1'000'000}))
      ->capture_default_str();
  o->draw.add_to(app, "of samples, directions and blocks")->excludes("--samples");
  app.add_option("--weights", o->weights, "ema: averages; model: the last weights")
      ->check(CLI::IsMember({"ema", "model"}))
      ->capture_default_str();
  app.add_option("--checkpoints", o->checkpoints,
                 "Of a run: all, or steps such as 1000,2000; the newest if not given");
  app.add_option("--sweep", o->sweep,
                 "table1: predictors and correctors as in Song et al. 2021, Table 1, with N = "
                 "sampling.steps; or key=v1,v2,... of the section sampling, several times for a "
                 "grid")
      ->allow_extra_args(false);
  app.add_option("--best", o->best, "Metric by which the best checkpoint is chosen");
  add_metric_options(app, *o);
  add_overrides(app, o->overrides, "sampling.key=value or data.key=value");
  app.add_flag("--json", o->json, "Print JSON, one object a line");
  o->common.add_to(app);
  return [o] { return run_eval(*o); };
}

}  // namespace ito::tools
