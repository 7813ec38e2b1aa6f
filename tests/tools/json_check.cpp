// json_check DOCUMENT FOLDER [UNSEEN...]: holds JSON that the program printed against the tables of
// DOCUMENT.
//
// Every section "## NAME" of DOCUMENT that has a table with rows | `key` | type | meaning | is the
// schema of the lines of FOLDER/NAME.jsonl, and every such file has a section. A key is a path:
// `a.b` is b in the object a, `a[].b` is b in every object of the array a. A type is one or several
// (with "or" between them) of integer, number, string, boolean, null, object, any, "array of T",
// "object of T" (any keys), and absent. Every line must be one object with documented keys of their
// types and no key missing; every key and every type of it must occur in some line, but for keys
// UNSEEN.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

int complaints = 0;

void complain(const std::string& where, const std::string& what) {
  std::printf("%s: %s\n", where.c_str(), what.c_str());
  ++complaints;
}

struct Key {
  std::vector<std::string> types;
  std::set<std::string> seen;
};
using Schema = std::map<std::string, Key>;

std::vector<std::string> split(std::string text, const std::string& between) {
  std::vector<std::string> parts;
  for (size_t at; (at = text.find(between)) != std::string::npos;) {
    parts.push_back(text.substr(0, at));
    text.erase(0, at + between.size());
  }
  parts.push_back(text);
  return parts;
}

/// The sections of a document that have tables of keys.
std::map<std::string, Schema> read_document(const char* file) {
  std::map<std::string, Schema> sections;
  std::ifstream in(file);
  std::string section;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("## ")) section = line.substr(3);
    if (!line.starts_with("| `")) continue;
    const std::vector<std::string> cells = split(line, " | ");
    const std::string name = cells[0].substr(3, cells[0].size() - 4);
    if (cells.size() != 3 || cells[0].back() != '`') {
      complain(section, "a row that is not | `key` | type | meaning |: " + line);
    } else if (!sections[section].emplace(name, Key{split(cells[1], " or "), {}}).second) {
      complain(section, name + " has two rows");
    }
  }
  return sections;
}

class Checker {
 public:
  Checker(std::string name, Schema& schema) : name_(std::move(name)), schema_(schema) {}

  void check_line(const std::string& line) {
    ++lines_;
    const Json json = parse(line);
    if (!json.is_object()) return complain(where(), "is not one JSON object: " + line);
    check_object(json, "");
  }

  /// What is documented and never printed.
  void check_coverage(const std::set<std::string>& unseen) const {
    for (const auto& [name, key] : schema_) {
      if (unseen.contains(name)) continue;
      for (const std::string& type : key.types) {
        if (!key.seen.contains(type)) complain(name_, name + " is never " + type);
      }
    }
  }

 private:
  std::string where() const { return name_ + ", line " + std::to_string(lines_); }

  /// Strict, and without two members of one name.
  Json parse(const std::string& line) {
    std::vector<std::set<std::string>> open;
    const auto watch = [&](int, Json::parse_event_t event, Json& value) {
      if (event == Json::parse_event_t::object_start) open.emplace_back();
      if (event == Json::parse_event_t::object_end) open.pop_back();
      if (event == Json::parse_event_t::key && !open.back().insert(value).second) {
        complain(where(), "has " + value.dump() + " twice");
      }
      return true;
    };
    return Json::parse(line, watch, false);
  }

  void check_object(const Json& object, const std::string& prefix) {
    for (const auto& [name, value] : object.items()) {
      const auto found = schema_.find(prefix + name);
      if (found == schema_.end()) {
        complain(where(), prefix + name + " is not documented");
      } else if (!matches(value, found->second, found->first)) {
        complain(where(), prefix + name + " is " + value.dump() + ", another type");
      }
    }
    for (auto& [name, key] : schema_) {
      const bool direct =
          name.starts_with(prefix) && name.find_first_of(".[", prefix.size()) == std::string::npos;
      if (!direct || object.contains(name.substr(prefix.size()))) continue;
      if (std::ranges::find(key.types, "absent") == key.types.end()) {
        complain(where(), name + " is missing");
      }
      key.seen.insert("absent");
    }
  }

  bool matches(const Json& value, Key& key, const std::string& path) {
    const auto fits = [&](const std::string& type) { return is(value, type, path); };
    const auto type = std::ranges::find_if(key.types, fits);
    if (type == key.types.end()) return false;
    key.seen.insert(*type);
    return true;
  }

  bool is(const Json& value, const std::string& type, const std::string& path) {
    if (type == "any") return true;
    if (type == "integer") return value.is_number_integer();
    if (type == "number") return value.is_number();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "null") return value.is_null();
    const auto all = [&](const std::string& of) {
      return std::ranges::all_of(value, [&](const Json& v) { return is(v, of, path + "[]"); });
    };
    if (type.starts_with("array of ")) return value.is_array() && all(type.substr(9));
    if (type.starts_with("object of ")) return value.is_object() && all(type.substr(10));
    if (type != "object" || !value.is_object()) return false;
    check_object(value, path + ".");
    return true;
  }

  std::string name_;
  Schema& schema_;
  int lines_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::set<std::string> unseen(argv + 3, argv + argc);
  std::map<std::string, Schema> sections = read_document(argv[1]);
  size_t keys = 0;
  for (auto& [name, schema] : sections) {
    std::ifstream in(fs::path(argv[2]) / (name + ".jsonl"));
    Checker checker(name, schema);
    for (std::string line; std::getline(in, line);) checker.check_line(line);
    checker.check_coverage(unseen);
    keys += schema.size();
  }
  for (const auto& entry : fs::directory_iterator(argv[2])) {
    const std::string name = entry.path().stem().string();
    if (!sections.contains(name)) complain(name, "has no section with a table");
  }
  std::printf("%zu sections, %zu keys, %d complaints\n", sections.size(), keys, complaints);
  return complaints == 0 && keys > 0 ? 0 : 1;
}
