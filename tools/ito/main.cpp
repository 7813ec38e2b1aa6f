// The ito program: parses, dispatches, turns errors into one line and an exit code.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <new>

#include "engine/core/check.h"
#include "engine/core/version.h"
#include "tools/ito/command_docs.h"
#include "tools/ito/commands.h"

namespace {

int report(const ito::UserError& e) {
  std::fprintf(stderr, "error[E%d] %s\n", static_cast<int>(e.code()), e.what());
  return ito::exit_code_of(e.code());
}

int run(int argc, char** argv) {
  CLI::App app("Score-based generative modelling through stochastic differential equations", "ito");
  app.formatter_fn([](const CLI::App* command, std::string, CLI::AppFormatMode) {
    return ito::tools::help_text(ito::tools::describe(*command));
  });
  app.set_version_flag("--version", "ito " ITO_VERSION);
  struct Entry {
    const char* name;
    const char* doc;
    ito::tools::Command (*add)(CLI::App&);
  };
  constexpr Entry kCommands[] = {
      {"train", "Train a network", ito::tools::add_train},
      {"sample", "Draw samples from a trained network", ito::tools::add_sample},
      {"edit", "Inpaint, colorize, enlarge, deblur, interpolate, encode, decode",
       ito::tools::add_edit},
      {"likelihood", "Bits per dimension of images under a trained network",
       ito::tools::add_likelihood},
      {"eval", "Compare samples with a data set: FID, Frechet, Wasserstein, energy, memorisation",
       ito::tools::add_eval},
      {"report", "Curves, samples, speed and settings of runs as one HTML file",
       ito::tools::add_report},
      {"info", "Describe this program, a preset, or a trained network", ito::tools::add_info},
      {"convert", "Turn a checkpoint of score_sde_pytorch into a network file of ours",
       ito::tools::add_convert},
      {"doctor", "Say what this machine offers and what is used", ito::tools::add_doctor},
      {"demo", "Train on built-in digits for two minutes and show samples", ito::tools::add_demo},
      {"bench", "Time a network's passes and training steps on this machine",
       ito::tools::add_bench},
      {"toy", "Train on points of the plane with every objective and show pictures",
       ito::tools::add_toy},
      {"completion", "Print a script that completes commands in a shell",
       ito::tools::add_completion},
      {"manual", "Print the help of every command as one page", ito::tools::add_manual},
  };
  std::vector<std::pair<CLI::App*, ito::tools::Command>> commands;
  for (const Entry& e : kCommands) {
    CLI::App* sub = app.add_subcommand(e.name, e.doc);
    commands.emplace_back(sub, e.add(*sub));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForAllHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForVersion& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    ito::fail(ito::ErrorCode::bad_usage, "command line", e.what(), "see ito --help");
  }
  for (const auto& [sub, command] : commands) {
    if (!sub->parsed()) continue;
    const int code = command();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      ito::fail(ito::ErrorCode::write_failed, "standard output", "takes no more text",
                "free space, or send it elsewhere");
    }
    return code;
  }
  ito::fail(ito::ErrorCode::bad_usage, "command line", "names no subcommand", "see ito --help");
}

}  // namespace

int main(int argc, char** argv) {
  // Beyond a file size limit, writing shall fail and be reported instead of ending the process.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    return run(argc, argv);
  } catch (const ito::UserError& e) {
    return report(e);
  } catch (const std::bad_alloc&) {
    return report({ito::ErrorCode::out_of_memory, "memory", "the system gave none",
                   "use a smaller batch or a machine with more memory"});
  } catch (const std::exception& e) {
    return report({ito::ErrorCode::internal, "ito", ito::escaped(e.what()),
                   "this is a bug: please report it with the command"});
  }
}
