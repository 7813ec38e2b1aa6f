// What the option table says, for people: help pages, manual and shell completion, all from the
// options that the parser really takes.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace ito::tools {

struct OptionDocs {
  std::string short_name, long_name;  ///< "-h" and "--help"; both empty for a positional
  std::string value;                  ///< "N", "X", "TEXT", "train|test"; empty for a flag
  std::vector<std::string> choices;   ///< every value it takes, if there are few
  std::string range;                  ///< "1 to 64", or empty
  std::string fallback;               ///< value if not given, or empty
  std::string group;                  ///< heading under which it stands
  std::string doc;
  bool required = false;

  bool positional() const { return long_name.empty() && short_name.empty(); }
};

/// A command with its options and subcommands.
struct CommandDocs {
  std::string name;  ///< "ito edit inpaint"
  std::string doc;
  std::vector<OptionDocs> options;
  std::vector<CommandDocs> commands;
};

CommandDocs describe(const CLI::App& app);

/// What `--help` prints, for a terminal of 80 columns.
std::string help_text(const CommandDocs& command);

/// Every command's help as one page of Markdown, and as a page for man(1).
std::string markdown_manual(const CommandDocs& program);
std::string man_page(const CommandDocs& program, const std::string& version);

/// Scripts that complete commands, options and values. To be read by the shell of that name.
std::string bash_completion(const CommandDocs& program);
std::string zsh_completion(const CommandDocs& program);
std::string fish_completion(const CommandDocs& program);

}  // namespace ito::tools
