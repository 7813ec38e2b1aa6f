#include "tools/ito/command_docs.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>

#include "models/presets/presets.h"

namespace ito::tools {
namespace {

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) parts.push_back(part);
  return parts;
}

/// The parser writes types as "INT", "FLOAT:FLOAT in [0 - 1]" or "TEXT:{train,test}".
void read_type(const std::string& type, OptionDocs& o) {
  const size_t colon = type.find(':');
  const std::string kind = type.substr(0, colon);
  o.value = kind == "INT" || kind == "UINT" ? "N" : kind == "FLOAT" ? "X" : kind;
  if (colon == std::string::npos) return;
  const std::string check = type.substr(colon + 1);
  if (check.starts_with('{')) {
    o.choices = split(check.substr(1, check.find('}') - 1), ',');
    o.value.clear();
    for (const std::string& c : o.choices) o.value += (o.value.empty() ? "" : "|") + c;
  }
  const size_t open = check.find('['), middle = check.find(" - "), close = check.find(']');
  if (open == std::string::npos || middle == std::string::npos || close == std::string::npos)
    return;
  const std::string low = check.substr(open + 1, middle - open - 1);
  const std::string high = check.substr(middle + 3, close - middle - 3);
  // Upper limits beyond this only keep numbers from overflowing.
  constexpr double kLarge = 1e5;
  o.range = std::stod(high) < kLarge ? low + " to " + high : "at least " + low;
}

OptionDocs describe(const CLI::Option& option) {
  OptionDocs o;
  if (!option.get_snames().empty()) o.short_name = "-" + option.get_snames()[0];
  if (!option.get_lnames().empty()) o.long_name = "--" + option.get_lnames()[0];
  if (option.get_items_expected_max() > 0) read_type(option.get_type_name(), o);
  if (o.positional()) {
    o.value = option.get_name(true, false);
    std::transform(o.value.begin(), o.value.end(), o.value.begin(), ::toupper);
  }
  if (o.long_name == "--preset") {
    for (const auto& preset : nn::presets()) o.choices.emplace_back(preset.name);
  }
  o.fallback = option.get_default_str();
  if (o.fallback == "\"\"") o.fallback.clear();
  o.group = option.get_group();
  o.doc = option.get_description();
  o.required = option.get_required();
  return o;
}

std::string heading(const OptionDocs& o) {
  if (o.positional()) return o.value;
  std::string text = o.short_name;
  if (!o.short_name.empty() && !o.long_name.empty()) text += ", ";
  text += o.long_name;
  return o.value.empty() ? text : text + " " + o.value;
}

/// The description with what the parser knows: range, default.
std::string full_doc(const OptionDocs& o) {
  std::string notes = o.required && !o.positional() ? "required" : "";
  const auto add = [&](const std::string& note) { notes += (notes.empty() ? "" : "; ") + note; };
  if (!o.range.empty()) add(o.range);
  if (!o.fallback.empty()) add("default " + o.fallback);
  return notes.empty() ? o.doc : o.doc + " (" + notes + ")";
}

std::string usage(const CommandDocs& c) {
  std::string text = c.name;
  if (!c.commands.empty()) return text + " COMMAND ...";
  for (const OptionDocs& o : c.options) {
    if (o.positional()) text += o.required ? " " + o.value : " [" + o.value + "]";
  }
  for (const OptionDocs& o : c.options) {
    if (o.required && !o.positional()) text += " " + heading(o);
  }
  return text + " [options]";
}

/// `text` from `column` on in lines of 80 columns where words allow, the later ones indented.
std::string wrapped(const std::string& text, size_t column, size_t indent) {
  std::string out;
  for (const std::string& word : split(text, ' ')) {
    if (word.empty()) continue;
    if (column > indent && column + 1 + word.size() > 80) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    }
    if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

std::vector<std::string> groups_of(const CommandDocs& c) {
  std::vector<std::string> groups;
  for (const OptionDocs& o : c.options) {
    if (std::find(groups.begin(), groups.end(), o.group) == groups.end()) groups.push_back(o.group);
  }
  return groups;
}

}  // namespace

CommandDocs describe(const CLI::App& app) {
  CommandDocs c{
      .name = app.get_name(), .doc = app.get_description(), .options = {}, .commands = {}};
  for (const CLI::App* up = app.get_parent(); up != nullptr; up = up->get_parent()) {
    c.name = up->get_name() + " " + c.name;
  }
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_group().empty()) c.options.push_back(describe(*option));
  }
  // Help comes last, positionals first: the order in which people read.
  std::stable_partition(c.options.begin(), c.options.end(),
                        [](const OptionDocs& o) { return o.long_name != "--help"; });
  std::stable_partition(c.options.begin(), c.options.end(),
                        [](const OptionDocs& o) { return o.positional(); });
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    c.commands.push_back(describe(*sub));
  }
  return c;
}

std::string help_text(const CommandDocs& command) {
  constexpr size_t kIndent = 26;
  const auto line = [&](const std::string& head, const std::string& doc) {
    std::string text = "  " + head;
    if (text.size() + 2 > kIndent) {
      text += "\n" + std::string(kIndent, ' ');
    } else {
      text.resize(kIndent, ' ');
    }
    return text + wrapped(doc, kIndent, kIndent) + "\n";
  };
  std::string text = wrapped(command.doc, 0, 0) + "\n\nUsage: " + usage(command) + "\n";
  if (!command.commands.empty()) text += "\nCommands:\n";
  for (const CommandDocs& sub : command.commands) {
    text += line(sub.name.substr(command.name.size() + 1), sub.doc);
  }
  for (const std::string& group : groups_of(command)) {
    text += "\n" + group + ":\n";
    for (const OptionDocs& o : command.options) {
      if (o.group == group) text += line(heading(o), full_doc(o));
    }
  }
  if (!command.commands.empty()) text += "\n" + command.name + " COMMAND --help says more.\n";
  return text;
}

}  // namespace ito::tools
