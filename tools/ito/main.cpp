// The ito program: parses, dispatches, turns errors into one line and an exit code.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
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

/// A file that is opened where standard output or error is closed would get their text. Writing to
/// what is put there fails, as it does to a closed one.
void occupy_standard_streams() {
  int descriptor = 0;
  while (descriptor >= 0 && descriptor <= STDERR_FILENO) {
    descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  if (descriptor >= 0) close(descriptor);
}

/// Refuses what the parser lets through: an option that is given an empty text, or nan.
void check_values(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    const bool number = option->get_type_name().starts_with("FLOAT");
    for (const std::string& value : option->results()) {
      if (value.empty()) {
        ito::fail(ito::ErrorCode::bad_value, option->get_name(), "\"\" is no value",
                  "give one, or leave it out");
      }
      if (number && std::isnan(std::strtod(value.c_str(), nullptr))) {
        ito::fail(ito::ErrorCode::bad_value, option->get_name(), "is " + value, "give a number");
      }
    }
  }
  for (const CLI::App* sub : app.get_subcommands()) check_values(*sub);
}

/// `code`, once standard output has taken everything.
int finished(int code) {
  if (std::cout.flush() && std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  ito::fail(ito::ErrorCode::write_failed, "standard output", "takes no more text",
            "free space, or send it elsewhere");
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
      {"data", "Pack, check and describe data sets; choose noise scales for them",
       ito::tools::add_data},
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
  app.require_subcommand(0, 1);
  std::vector<std::pair<CLI::App*, ito::tools::Command>> commands;
  for (const Entry& e : kCommands) {
    CLI::App* sub = app.add_subcommand(e.name, e.doc);
    commands.emplace_back(sub, e.add(*sub));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help and --version
    return finished(app.exit(e));
  } catch (const CLI::ParseError& e) {
    ito::fail(ito::ErrorCode::bad_usage, "command line", e.what(), "see ito --help");
  }
  check_values(app);
  for (const auto& [sub, command] : commands) {
    if (!sub->parsed()) continue;
    return finished(command());
  }
  ito::fail(ito::ErrorCode::bad_usage, "command line", "names no subcommand", "see ito --help");
}

}  // namespace

int main(int argc, char** argv) {
  // Beyond a file size limit, writing shall fail and be reported instead of ending the process.
  std::signal(SIGXFSZ, SIG_IGN);
  occupy_standard_streams();
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
