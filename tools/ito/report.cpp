// `ito report`: what runs did, as one HTML file.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "engine/core/check.h"
#include "engine/io/atomic_file.h"
#include "tools/ito/commands.h"
#include "tools/report/page.h"
#include "tools/run/output_check.h"

namespace ito::tools {

Command add_report(CLI::App& app) {
  struct Options {
    std::vector<std::string> runs;
    std::string out = "report.html";
  };
  const auto o = std::make_shared<Options>();
  app.add_option("runs", o->runs, "Folders of runs; several are compared")->required();
  app.add_option("--out", o->out, "HTML file to write; replaced if it exists")
      ->capture_default_str();
  return [o] {
    check_output_file(o->out);
    std::vector<report::RunRecord> runs;
    for (const std::string& run : o->runs) runs.push_back(report::read_run(run));
    const std::string html = report::page_html(std::move(runs));
    write_file_atomically(o->out,
                          std::span(reinterpret_cast<const uint8_t*>(html.data()), html.size()));
    std::printf("%s\n", escaped(o->out).c_str());
    return 0;
  };
}

}  // namespace ito::tools
