// `ito completion`: scripts for the shells, made from the option table.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <memory>

#include "tools/ito/command_docs.h"
#include "tools/ito/commands.h"

namespace ito::tools {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& w : words) text += (text.empty() ? "" : " ") + w;
  return text;
}

void each_command(const CommandDocs& c, const std::function<void(const CommandDocs&)>& visit) {
  visit(c);
  for (const CommandDocs& sub : c.commands) each_command(sub, visit);
}

/// "ito edit inpaint" as it follows the program's name: "edit inpaint".
std::string below_program(const CommandDocs& c) {
  const size_t space = c.name.find(' ');
  return space == std::string::npos ? "" : c.name.substr(space + 1);
}

/// What may stand after `c`: its subcommands and options.
std::vector<std::string> words_of(const CommandDocs& c) {
  std::vector<std::string> words;
  for (const CommandDocs& sub : c.commands) {
    words.push_back(sub.name.substr(sub.name.rfind(' ') + 1));
  }
  for (const OptionDocs& o : c.options) {
    if (!o.long_name.empty()) words.push_back(o.long_name);
    if (o.positional()) words.insert(words.end(), o.choices.begin(), o.choices.end());
  }
  return words;
}

std::string single_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

/// The part of the bash script that says what each command takes: `words` after it, and
/// `values` of its options; an option that takes anything else completes file names.
std::string bash_cases(const CommandDocs& program) {
  std::string words, values;
  each_command(program, [&](const CommandDocs& c) {
    words += "    " + single_quoted(below_program(c)) +
             ") words=" + single_quoted(joined(words_of(c))) + " ;;\n";
    for (const OptionDocs& o : c.options) {
      if (o.value.empty() || o.positional()) continue;
      values += "    " + single_quoted(below_program(c) + " " + o.long_name) +
                ") values=" + (o.choices.empty() ? "files" : single_quoted(joined(o.choices))) +
                " ;;\n";
    }
  });
  return "  case \"$command\" in\n" + words + "  esac\n  case \"$command $previous\" in\n" +
         values + "  esac\n";
}

std::string command_pattern(const CommandDocs& program) {
  std::string pattern;
  each_command(program, [&](const CommandDocs& c) {
    if (!below_program(c).empty()) {
      pattern += (pattern.empty() ? "" : "|") + single_quoted(below_program(c));
    }
  });
  return pattern;
}

}  // namespace

std::string bash_completion(const CommandDocs& program) {
  return "# Completion of ito for bash: source <(ito completion bash)\n"
         "_ito() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
         "  local command='' words='' values='' i longer\n"
         "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
         "    longer=${command:+$command }${COMP_WORDS[i]}\n"
         "    case \"$longer\" in " +
         command_pattern(program) + ") command=$longer ;; esac\n  done\n" + bash_cases(program) +
         "  case \"$values\" in\n"
         "    files) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n"
         "    '') COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "        [[ $word == -* ]] || COMPREPLY+=($(compgen -f -- \"$word\")) ;;\n"
         "    *) COMPREPLY=($(compgen -W \"$values\" -- \"$word\")) ;;\n"
         "  esac\n"
         "}\n"
         "complete -o filenames -F _ito ito\n";
}

std::string zsh_completion(const CommandDocs& program) {
  return "#compdef ito\n"
         "# Completion of ito for zsh: source <(ito completion zsh)\n"
         "autoload -Uz bashcompinit && bashcompinit\n" +
         bash_completion(program);
}

std::string fish_completion(const CommandDocs& program) {
  std::string text = "# Completion of ito for fish: ito completion fish | source\n";
  each_command(program, [&](const CommandDocs& c) {
    // The command's words are there, and none of its subcommands yet.
    std::string when;
    std::istringstream names(below_program(c));
    for (std::string name; names >> name;) {
      when += (when.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + name);
    }
    std::string subs;
    for (const CommandDocs& sub : c.commands)
      subs += " " + sub.name.substr(sub.name.rfind(' ') + 1);
    if (!subs.empty()) {
      when += (when.empty() ? "" : "; and ") + ("not __fish_seen_subcommand_from" + subs);
    }
    const std::string line = "complete -c ito -n " + single_quoted(when);
    for (const CommandDocs& sub : c.commands) {
      text += line + " -a " + sub.name.substr(sub.name.rfind(' ') + 1) + " -d " +
              single_quoted(sub.doc) + "\n";
    }
    for (const OptionDocs& o : c.options) {
      if (o.long_name.empty()) continue;
      text += line + " -l " + o.long_name.substr(2);
      if (!o.value.empty()) text += " -r";
      if (!o.choices.empty()) text += " -f -a " + single_quoted(joined(o.choices));
      text += " -d " + single_quoted(o.doc) + "\n";
    }
  });
  return text;
}

Command add_completion(CLI::App& app) {
  const auto shell = std::make_shared<std::string>();
  app.add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  return [shell, &app] {
    const CommandDocs program = describe(*app.get_parent());
    const std::string script = *shell == "bash"  ? bash_completion(program)
                               : *shell == "zsh" ? zsh_completion(program)
                                                 : fish_completion(program);
    std::fputs(script.c_str(), stdout);
    return 0;
  };
}

}  // namespace ito::tools
