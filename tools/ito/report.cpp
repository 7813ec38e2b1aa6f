// `ito report`: what runs did, as one HTML file.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "engine/core/check.h"
#include "engine/io/atomic_file.h"
#include "tools/ito/commands.h"
#include "tools/report/page.h"
#include "tools/run/json_text.h"
#include "tools/run/output_check.h"

namespace ito::tools {
namespace {

/// The newest values of its curves.
Json run_json(const report::RunRecord& run) {
  const auto newest = [&run](const char* name) {
    const auto at = run.metrics.find(name);
    return at == run.metrics.end() ? Json() : Json(at->second.values.back());
  };
  const auto steps = run.metrics.find("lr");  // in the line of every trained step
  return {{"run", run.path.string()},
          {"steps",
           steps == run.metrics.end() ? 0 : static_cast<int64_t>(steps->second.steps.back()) + 1},
          {"loss", newest("loss")},
          {"eval_loss", newest("eval_loss")},
          {"pictures", run.pictures.size()},
          {"evaluations", run.evaluations.size()}};
}

}  // namespace

Command add_report(CLI::App& app) {
  struct Options {
    std::vector<std::string> runs;
    std::string out = "report.html";
    bool json = false;
  };
  const auto o = std::make_shared<Options>();
  app.add_option("runs", o->runs, "Folders of runs; several are compared")->required();
  app.add_option("--out", o->out, "HTML file to write; replaced if it exists")
      ->capture_default_str();
  add_json(app, o->json);
  return [o] {
    check_output_file(o->out);
    std::vector<report::RunRecord> runs;
    for (const std::string& run : o->runs) runs.push_back(report::read_run(run));
    Json json = {{"file", o->out}, {"runs", Json::array()}};
    for (const report::RunRecord& run : runs) json["runs"].push_back(run_json(run));
    const std::string html = report::page_html(std::move(runs));
    write_file_atomically(o->out,
                          std::span(reinterpret_cast<const uint8_t*>(html.data()), html.size()));
    if (o->json) {
      print_json(json);
    } else {
      std::printf("%s\n", escaped(o->out).c_str());
    }
    return 0;
  };
}

}  // namespace ito::tools
