// `ito manual`: every command's help as one page of Markdown or for man(1).
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "engine/core/version.h"
#include "tools/ito/command_docs.h"
#include "tools/ito/commands.h"

namespace ito::tools {
namespace {

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
    text.replace(at, what.size(), by);
  }
  return text;
}

std::string head_of(const OptionDocs& o, const std::string& mark) {
  if (o.positional()) return mark + o.value + mark;
  std::string text = o.short_name.empty() ? "" : mark + o.short_name + mark + ", ";
  text += mark + o.long_name + mark;
  return o.value.empty() ? text : text + " " + o.value;
}

std::string notes_of(const OptionDocs& o) {
  std::string notes;
  if (o.required && !o.positional()) notes += " Required.";
  if (!o.range.empty()) notes += " Range: " + o.range + ".";
  if (!o.fallback.empty()) notes += " Default: " + o.fallback + ".";
  return notes;
}

/// A table's cells end at bars, and a type like train|test has them.
std::string cell(const std::string& text) { return replaced(text, "|", "\\|"); }

std::string markdown_of(const CommandDocs& c) {
  std::string text = "\n## " + c.name + "\n\n" + c.doc + ".\n";
  if (!c.options.empty()) text += "\n| option | meaning |\n| --- | --- |\n";
  for (const OptionDocs& o : c.options) {
    text += "| " + cell(head_of(o, "`")) + " | " + cell(o.doc) + "." + cell(notes_of(o)) + " |\n";
  }
  for (const CommandDocs& sub : c.commands) text += markdown_of(sub);
  return text;
}

/// In troff a leading dot or quote is a request, a backslash an escape, and - a hyphen.
std::string troff(const std::string& text) {
  const std::string safe = replaced(replaced(text, "\\", "\\e"), "-", "\\-");
  return safe.starts_with('.') || safe.starts_with('\'') ? "\\&" + safe : safe;
}

std::string man_of(const CommandDocs& c) {
  std::string text = ".SS " + troff(c.name) + "\n" + troff(c.doc) + ".\n";
  for (const OptionDocs& o : c.options) {
    text +=
        ".TP\n.B " + troff(head_of(o, "")) + "\n" + troff(o.doc) + "." + troff(notes_of(o)) + "\n";
  }
  for (const CommandDocs& sub : c.commands) text += man_of(sub);
  return text;
}

}  // namespace

std::string markdown_manual(const CommandDocs& program) {
  std::string text = "# Commands\n\nWritten by `" + program.name +
                     " manual markdown`, compared with the program by a test. " + program.doc +
                     ".\n";
  for (const CommandDocs& c : program.commands) text += markdown_of(c);
  return text;
}

std::string man_page(const CommandDocs& program, const std::string& version) {
  std::string text = ".TH ITO 1 \"\" \"ito " + version + "\" \"User Commands\"\n.SH NAME\n" +
                     program.name + " \\- " + troff(program.doc) + "\n.SH SYNOPSIS\n.B " +
                     program.name + "\n.I COMMAND\n[options]\n.SH COMMANDS\n";
  for (const CommandDocs& c : program.commands) text += man_of(c);
  return text +
         ".SH EXIT STATUS\n0 done; 1 internal error; 2 usage or configuration; 3 unreadable input; "
         "4 output; 5 device or library missing; 6 out of memory; 7 numeric failure; 8 device "
         "fault; 75 stopped and saved; 130 second interrupt.\n";
}

Command add_manual(CLI::App& app) {
  const auto format = std::make_shared<std::string>("markdown");
  app.add_option("format", *format, "man or markdown")
      ->check(CLI::IsMember({"man", "markdown"}))
      ->capture_default_str();
  return [format, &app] {
    const CommandDocs program = describe(*app.get_parent());
    const std::string text =
        *format == "man" ? man_page(program, ITO_VERSION) : markdown_manual(program);
    std::fputs(text.c_str(), stdout);
    return 0;
  };
}

}  // namespace ito::tools
