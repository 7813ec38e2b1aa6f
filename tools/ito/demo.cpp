#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "sde/training/score_model.h"
#include "tools/data/png.h"
#include "tools/ito/commands.h"
#include "tools/run/interrupt.h"
#include "tools/run/json_text.h"
#include "tools/run/output_check.h"
#include "tools/run/pictures.h"
#include "tools/run/progress.h"
#include "tools/run/train_run.h"

namespace ito::tools {
namespace {

struct DemoOptions {
  std::string out = "demo";
  double minutes = 2;
  bool json = false;
  CommonOptions common;
};

void write_pictures(const std::filesystem::path& out, const std::filesystem::path& run,
                    Device device) {
  const sde::ScoreModel model = sde::load_score_model(run, device);
  Config config;
  config.fields().apply_known(model.settings, model.file.string());
  const SampleJob job{.score = model.score(),
                      .sde = model.sde,
                      .sample_shape = model.sample_shape,
                      .sampling = config.sampling,
                      .device = device,
                      .pixels = data::pixel_map(model.settings)};
  std::vector<int64_t> seeds(64);
  std::iota(seeds.begin(), seeds.end(), 0);
  Progress progress;
  const auto watch = [&](const samplers::StepView& view, int64_t) {
    progress.show("sampling: step " + std::to_string(view.step + 1) + "/" +
                  std::to_string(view.steps));
    return samplers::Verdict::go_on;
  };
  data::write_png(out / "grid.png", picture_of(draw(job, seeds, watch).x, job.pixels));
  seeds.resize(8);
  data::write_png(out / "trajectory.png", trajectory_picture(job, seeds, 9));
}

int run_demo(const DemoOptions& o) {
  const Device device = o.common.apply();
  install_interrupt_handlers();
  const std::filesystem::path out(o.out), run = out / "run";
  check_output_folder(out);
  if (std::filesystem::exists(out)) {
    for (const char* name : {"grid.png", "trajectory.png"})
      check_output_file((out / name).string());
  }
  const TrainSummary summary = run_training({.config = load_config({.preset = "demo"}),
                                             .out = run,
                                             .device = device,
                                             .max_minutes = o.minutes});
  const bool whole = summary.end != TrainEnd::interrupted;
  if (whole) write_pictures(out, run, device);
  if (o.json) {
    auto files = Json::array();
    if (whole) files = {(out / "grid.png").string(), (out / "trajectory.png").string()};
    print_json({{"run", run.string()}, {"files", files}, {"train", summary_json(summary)}});
  }
  if (!whole) return kExitPreempted;
  if (o.json) return 0;
  std::printf(
      "\n%s/grid.png        64 samples of the network that was just trained\n"
      "%s/trajectory.png  the way from noise (left) to a sample (right)\n"
      "\nTry next:\n"
      "  ito sample %s --seeds 100-163 --grid more.png\n"
      "  ito sample %s --set sampling.predictor=euler_maruyama --steps 50 --grid fewer_steps.png\n"
      "  ito train --preset toy2d --out runs/toy2d\n",
      o.out.c_str(), o.out.c_str(), run.c_str(), run.c_str());
  return 0;
}

}  // namespace

Command add_demo(CLI::App& app) {
  const auto o = std::make_shared<DemoOptions>();
  app.add_option("--out", o->out, "Folder for the run and the pictures")->capture_default_str();
  app.add_option("--minutes", o->minutes, "Time for training")
      ->check(CLI::Range(0.001, kMostMinutes))
      ->capture_default_str();
  add_json(app, o->json);
  o->common.add_to(app);
  return [o] { return run_demo(*o); };
}

}  // namespace ito::tools
