#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "engine/core/check.h"
#include "engine/core/math_mode.h"
#include "models/make.h"
#include "sde/training/checkpoint.h"
#include "tools/ito/commands.h"
#include "tools/run/interrupt.h"
#include "tools/run/json_text.h"
#include "tools/run/train_run.h"

namespace ito::tools {
namespace {

struct TrainOptions {
  ConfigSources sources;
  std::string data, out, resume = "auto";
  double max_minutes = 0;
  int64_t max_steps = 0, max_images = 0, seed = -1;
  int batch = 0, micro_batch = -1, sample_every = -1, save_every = 0, keep = 0;
  std::string on_nonfinite, precision;
  bool print_config = false, dry_run = false, json = false;
  CommonOptions common;
};

bool resumes_from_path(const TrainOptions& o) { return o.resume != "auto" && o.resume != "never"; }

/// The configuration of the checkpoint that a run goes on from.
Settings settings_of_checkpoint(const TrainOptions& o) {
  if (resumes_from_path(o)) return sde::checkpoint_settings(sde::find_checkpoint(o.resume));
  const auto newest = o.out.empty() ? std::nullopt : sde::newest_checkpoint(o.out);
  if (!newest) {
    fail(ErrorCode::bad_usage, "ito train", "neither --preset nor --config is given",
         "start with --preset demo");
  }
  return sde::checkpoint_settings(*newest);
}

Config config_of(const TrainOptions& o) {
  ConfigSources sources = o.sources;
  if (sources.preset.empty() && sources.file.empty()) sources.base = settings_of_checkpoint(o);
  Config config = load_config(sources);
  if (!o.data.empty()) config.data.path = o.data;
  sde::TrainConfig& train = config.train;
  if (o.batch > 0) train.batch = o.batch;
  if (o.micro_batch >= 0) train.micro_batch = o.micro_batch;
  if (o.sample_every >= 0) train.sample_every = o.sample_every;
  if (o.save_every > 0) train.save_every = o.save_every;
  if (o.keep > 0) train.keep = o.keep;
  if (!o.on_nonfinite.empty()) train.on_nonfinite = o.on_nonfinite;
  if (o.max_images > 0) train.max_steps = (o.max_images + train.batch - 1) / train.batch;
  if (o.max_steps > 0) train.max_steps = o.max_steps;
  if (!o.precision.empty()) train.precision = o.precision;
  if (o.seed >= 0) config.train.seed = o.seed;
  if (math_mode() == MathMode::fast) config.train.math = "fast";
  config.validate();
  return config;
}

int run_train(const TrainOptions& o) {
  install_interrupt_handlers();
  const Device device = o.common.apply();
  Config config = config_of(o);
  if (o.print_config) {
    std::fputs(to_toml(config).c_str(), stdout);
    return 0;
  }
  if (o.dry_run) {
    const auto network = nn::make_network_shapes(config.model, config.image());
    if (o.json) {
      print_network_json(*network, config, 0);
      return 0;
    }
    print_layers(*network, config.image());
    print_estimate(*network, config, 0);
    return 0;
  }
  if (config.train.math == "fast") set_math_mode(MathMode::fast);
  if (o.out.empty()) {
    fail(ErrorCode::bad_usage, "--out", "is not given",
         "name the folder of the run, e.g. --out runs/first");
  }
  const Resume resume = o.resume == "auto"    ? Resume::automatic
                        : o.resume == "never" ? Resume::never
                                              : Resume::from_path;
  const TrainSummary summary = run_training({.config = config,
                                             .out = o.out,
                                             .resume = resume,
                                             .resume_from = o.resume,
                                             .device = device,
                                             .max_minutes = o.max_minutes});
  if (o.json) {
    Json json = {{"run", o.out}};
    json.update(summary_json(summary));
    print_json(json);
  }
  if (summary.end != TrainEnd::interrupted) return 0;
  std::fprintf(stderr, "interrupted and saved; go on with the same command\n");
  return kExitPreempted;
}

}  // namespace

Json summary_json(const TrainSummary& s) {
  const auto number = [](const std::optional<double>& v) { return v ? Json(*v) : Json(); };
  const char* end = s.end == TrainEnd::finished     ? "steps"
                    : s.end == TrainEnd::time_is_up ? "minutes"
                                                    : "interrupted";
  return {{"end", end},
          {"checkpoint", s.checkpoint.string()},
          {"steps", s.steps},
          {"images", s.images},
          {"skipped", s.skipped},
          {"rollbacks", s.rollbacks},
          {"session_steps", s.session_steps},
          {"seconds", s.seconds},
          {"images_per_second", s.images_per_second},
          {"loss", number(s.loss)},
          {"eval_loss", number(s.eval_loss)}};
}

Command add_train(CLI::App& app) {
  const auto o = std::make_shared<TrainOptions>();
  app.add_option("--preset", o->sources.preset,
                 "Configuration that comes with the program: demo, mnist, ve/cifar10_ncsnpp, ...; "
                 "ito info lists them. A run that goes on needs neither this nor --config");
  app.add_option("--config", o->sources.file, "TOML file; overrides the preset");
  add_overrides(app, o->sources.overrides, "section.key=value");
  app.add_option("--data", o->data, "Folder or file of the data set (data.path)");
  app.add_option("--out", o->out, "Folder of the run");
  app.add_option(
         "--resume", o->resume,
         "auto: go on with the newest checkpoint in --out; never; or the folder of another run or "
         "checkpoint, whose weights, averages, optimizer state and step the run begins with")
      ->capture_default_str();
  app.add_option("--max-steps", o->max_steps, "Steps to train for (train.max_steps)")
      ->check(CLI::Range(int64_t{1}, kMostSteps));
  app.add_option("--max-images", o->max_images,
                 "Images to train on, rounded up to whole steps, instead of --max-steps")
      ->check(CLI::Range(int64_t{1}, kMostSteps))
      ->excludes("--max-steps");
  app.add_option("--max-minutes", o->max_minutes,
                 "Stop and save after this many minutes; 0: no limit")
      ->check(CLI::Range(0.0, kMostMinutes));
  app.add_option("--batch", o->batch, "Images per step (train.batch)")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option(
         "--micro-batch", o->micro_batch,
         "Images per pass through the network, 0: all of a step. Never changes which images "
         "and noise a step sees (train.micro_batch)")
      ->check(CLI::Range(0, 1 << 20));
  app.add_option("--sample-every", o->sample_every,
                 "Steps per grid of samples, 0: none (train.sample_every)")
      ->check(CLI::Range(0, 1 << 30));
  app.add_option("--save-every", o->save_every, "Steps per checkpoint (train.save_every)")
      ->check(CLI::Range(1, 1 << 30));
  app.add_option("--keep", o->keep, "Checkpoints kept (train.keep)")->check(CLI::Range(1, 1 << 20));
  app.add_option("--on-nonfinite", o->on_nonfinite,
                 "Where a loss or gradient is not finite: stop; skip, the step makes no update; "
                 "rollback to the newest checkpoint, and on with other draws (train.on_nonfinite)")
      ->check(CLI::IsMember({"stop", "skip", "rollback"}));
  app.add_option(
         "--precision", o->precision,
         "fp32; tf32: computed as fp32 so far; bf16: passes in bf16, weights and everything "
         "of the optimizer in fp32 (train.precision)")
      ->check(CLI::IsMember({"fp32", "tf32", "bf16"}));
  app.add_option("--seed", o->seed, "Seed of everything random (train.seed)")
      ->check(CLI::Range(int64_t{0}, kMostSeed));
  app.add_flag("--print-config", o->print_config, "Print the resolved configuration and stop")
      ->excludes(add_json(app, o->json));
  app.add_flag("--dry-run", o->dry_run,
               "Print the network, the memory that training needs and its likely speed, and stop; "
               "reads no data and makes no network");
  o->common.add_to(app);
  return [o] { return run_train(*o); };
}

}  // namespace ito::tools
