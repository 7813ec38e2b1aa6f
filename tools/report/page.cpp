#include "tools/report/page.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <set>

#include "engine/core/check.h"
#include "models/make.h"
#include "tools/report/html.h"
#include "tools/report/line_chart.h"
#include "tools/run/estimate.h"

namespace ito::report {
namespace {

using Rows = std::vector<std::vector<std::string>>;

constexpr const char* kStyle = R"(<style>
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1180px; padding: 0 1rem; }
table { border-collapse: collapse; margin: .6rem 0 1.4rem; display: block; overflow-x: auto; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #8884; text-align: left; vertical-align: top; }
figure { margin: 0; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(430px, 1fr)); gap: 1rem 1.6rem; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; }
.way { margin: 1rem 0; } .way img { max-width: 100%; image-rendering: pixelated; }
.pictures img { width: 256px; image-rendering: pixelated; border: 1px solid #8886; }
svg { width: 100%; height: auto; }
svg text { font: 11px system-ui, sans-serif; fill: currentColor; }
svg .title { font-weight: 600; font-size: 13px; }
.grid { stroke: #8883; }
.legend span { margin-right: 1rem; } .legend i { display: inline-block; width: 22px; vertical-align: middle; }
pre { overflow-x: auto; background: #8881; padding: .8rem; }
figcaption { font-size: 13px; opacity: .8; }
</style>
)";

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

std::string last_of(const RunRecord& run, const std::string& name) {
  const auto at = run.metrics.find(name);
  return at == run.metrics.end() ? "-" : number_text(at->second.values.back());
}

/// Images that the run was trained on.
std::string images_of(const RunRecord& run) {
  const auto at = run.metrics.find("images");
  if (at == run.metrics.end()) return "0";
  char text[32];
  std::snprintf(text, sizeof text, "%.0f", at->second.values.back());
  return text;
}

/// Parameters and floating-point operations of the run's network; nothing if the configuration
/// makes none.
std::optional<tools::Estimate> estimate_of(const RunRecord& run) {
  try {
    const auto network = nn::make_network_shapes(run.config.model, run.config.image());
    return tools::Estimate(*network, run.config);
  } catch (const UserError&) {
    return std::nullopt;
  }
}

/// One row of the overview. Training takes as many operations as `training_speed` counts.
std::vector<std::string> overview_row(const RunRecord& run) {
  const auto estimate = estimate_of(run);
  const double speed = median(run.images_per_second.values);
  const double flops = estimate ? 1 / estimate->training_speed(1) : 0;  // per image
  const auto shown = [](double v) { return v > 0 ? number_text(v) : std::string("-"); };
  const auto steps = run.metrics.find("loss");
  const bool known = run.measured_gflops > 0 && speed > 0;
  return {text_html(run.name),
          estimate ? std::to_string(estimate->parameters()) : "-",
          steps == run.metrics.end() ? "0" : number_text(steps->second.steps.back() + 1),
          images_of(run),
          last_of(run, "loss"),
          last_of(run, "eval_loss"),
          shown(speed),
          shown(speed * flops / 1e9),
          known ? number_text(100 * speed * flops / 1e9 / run.measured_gflops) + " %" : "-"};
}

std::string overview(const std::vector<RunRecord>& runs) {
  Rows rows{{"run", "parameters", "steps", "images", "loss", "held-out loss", "images/s (median)",
             "GFLOP/s", "of a convolution's speed"}};
  for (const RunRecord& run : runs) rows.push_back(overview_row(run));
  return table_html(rows);
}

std::string charts(const std::vector<RunRecord>& runs) {
  // The held-out loss stands beside the training loss; images only count.
  std::set<std::string> names;
  for (const RunRecord& run : runs) {
    for (const auto& [name, series] : run.metrics) names.insert(name);
  }
  names.erase("eval_loss");
  names.erase("images");
  std::string html;
  const auto add = [&](const std::string& name, Scale scale) {
    std::vector<Curve> curves;
    for (size_t r = 0; r < runs.size(); ++r) {
      const auto& metrics = runs[r].metrics;
      if (const auto at = metrics.find(name); at != metrics.end()) {
        curves.push_back({runs[r].name, r, false, at->second.steps, at->second.values});
      }
      const auto held = metrics.find("eval_loss");
      if (name == "loss" && held != metrics.end()) {
        curves.push_back(
            {runs[r].name + ", held-out", r, true, held->second.steps, held->second.values});
      }
    }
    html += line_chart(name, "step", curves, scale);
  };
  if (names.erase("loss") > 0) add("loss", Scale::logarithmic);
  for (const std::string& name : names) {
    add(name, name == "grad_norm" ? Scale::logarithmic : Scale::linear);
  }
  std::vector<Curve> speed;
  for (size_t r = 0; r < runs.size(); ++r) {
    const Series& s = runs[r].images_per_second;
    speed.push_back({runs[r].name, r, false, s.steps, s.values});
  }
  return html + line_chart("images per second", "step", speed, Scale::linear);
}

std::string pictures(const RunRecord& run) {
  std::string html;
  for (const Picture& p : run.pictures) {
    html += "<figure><img alt=\"samples\" src=\"" + png_uri(p.png) + "\"><figcaption>" +
            text_html(p.name) + "</figcaption></figure>\n";
  }
  if (!html.empty()) html = "<div class=\"pictures\">\n" + html + "</div>\n";
  if (run.trajectory) {
    html += "<figure class=\"way\"><img alt=\"trajectory\" src=\"" + png_uri(run.trajectory->png) +
            "\"><figcaption>" + text_html(run.trajectory->name) +
            ": from noise to samples, and below each state what the network takes the sample for" +
            "</figcaption></figure>\n";
  }
  return html;
}

std::string evaluations(const RunRecord& run) {
  if (run.evaluations.empty()) return "";
  std::set<std::string> names;
  for (const auto& row : run.evaluations) {
    for (const auto& [name, value] : row) names.insert(name);
  }
  names.erase("target");
  Rows rows{{"checkpoint"}};
  for (const std::string& name : names) rows[0].push_back(text_html(name));
  const auto value_of = [](const std::map<std::string, std::string>& row, const std::string& key) {
    const auto at = row.find(key);
    return at == row.end() ? std::string("-") : text_html(at->second);
  };
  for (const auto& row : run.evaluations) {
    rows.push_back({value_of(row, "target")});
    for (const std::string& name : names) rows.back().push_back(value_of(row, name));
  }
  return "<h3>Evaluations</h3>\n" + table_html(rows);
}

/// Keys in which a run differs from the defaults or from another run, with every run's value.
std::string settings(std::vector<RunRecord>& runs) {
  const Settings defaults = tools::Config{}.settings();
  std::vector<Settings> values;
  for (RunRecord& run : runs) values.push_back(run.config.settings());
  Rows rows{{"key"}};
  for (const RunRecord& run : runs) rows[0].push_back(text_html(run.name));
  for (const auto& [key, usual] : defaults) {
    const bool differs = std::any_of(values.begin(), values.end(),
                                     [&](const Settings& s) { return s.at(key) != usual; });
    if (!differs) continue;
    rows.push_back({text_html(key)});
    for (const Settings& s : values) rows.back().push_back(text_html(to_string(s.at(key))));
  }
  return "<p>Keys that differ from the defaults:</p>\n" + table_html(rows);
}

std::string environment(const std::vector<RunRecord>& runs) {
  std::set<std::string> names;
  for (const RunRecord& run : runs) {
    for (const auto& [name, value] : run.environment) names.insert(name);
  }
  if (names.empty()) return "<p>Not recorded.</p>\n";
  Rows rows{{""}};
  for (const RunRecord& run : runs) rows[0].push_back(text_html(run.name));
  for (const std::string& name : names) {
    rows.push_back({text_html(name)});
    for (const RunRecord& run : runs) {
      const auto at = run.environment.find(name);
      rows.back().push_back(at == run.environment.end() ? "-" : text_html(at->second));
    }
  }
  return table_html(rows);
}

}  // namespace

std::string page_html(std::vector<RunRecord> runs) {
  std::string title = "Ito:";
  for (const RunRecord& run : runs) title += " " + text_html(run.name);
  std::string html =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>" +
      title + "</title>\n" + kStyle + "</head>\n<body>\n<h1>" + title + "</h1>\n" + overview(runs) +
      "<h2>Curves</h2>\n<div class=\"charts\">\n" + charts(runs) + "</div>\n";
  for (const RunRecord& run : runs) {
    html += "<h2>" + text_html(run.name) + "</h2>\n" + pictures(run) + evaluations(run);
  }
  html += "<h2>Configuration</h2>\n" + settings(runs);
  for (const RunRecord& run : runs) {
    html += "<details><summary>config.toml of " + text_html(run.name) + "</summary><pre>" +
            text_html(run.toml) + "</pre></details>\n";
  }
  return html + "<h2>Environment</h2>\n" + environment(runs) + "</body>\n</html>\n";
}

}  // namespace ito::report
