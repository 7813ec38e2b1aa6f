#include "engine/core/settings.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "engine/core/check.h"
#include "engine/core/nearest_name.h"

namespace ito {
namespace {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;  // clang 14 derives none for aggregates

std::string number(double v) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, v).ptr;
  std::string s(text, end);
  return s.find_first_of(".en") == std::string::npos ? s + ".0" : s;
}

std::string quoted(const std::string& s) {
  std::string text = "\"";
  for (const char c : s) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + "\"";
}

const char* type_of(const Field& field) {
  return std::visit(
      Overloaded{[](bool*) { return "true or false"; }, [](int*) { return "an integer"; },
                 [](int64_t*) { return "an integer"; }, [](double*) { return "a number"; },
                 [](std::string*) { return "text"; },
                 [](std::vector<int>*) { return "a list of integers, such as [1, 2, 2]"; },
                 [](std::vector<double>*) { return "a list of numbers, such as [1, 3, 3, 1]"; }},
      field.target);
}

template <class Int>
bool set_integer(Int& target, double v) {
  if (v != std::floor(v) || v < static_cast<double>(std::numeric_limits<Int>::min()) ||
      v >= -static_cast<double>(std::numeric_limits<Int>::min())) {
    return false;
  }
  target = static_cast<Int>(v);
  return true;
}

bool set_integers(std::vector<int>& target, const std::vector<double>& v) {
  std::vector<int> result(v.size());
  for (size_t i = 0; i < v.size(); ++i) {
    if (!set_integer(result[i], v[i])) return false;
  }
  target = std::move(result);
  return true;
}

/// False if the value has another type than the field.
bool set(const Field& field, const SettingValue& value) {
  const auto* integer = std::get_if<int64_t>(&value);
  const auto* real = std::get_if<double>(&value);
  const auto* list = std::get_if<std::vector<double>>(&value);
  return std::visit(
      Overloaded{[&](bool* t) {
                   const auto* v = std::get_if<bool>(&value);
                   return v != nullptr && (*t = *v, true);
                 },
                 [&](int* t) {
                   return integer != nullptr && set_integer(*t, static_cast<double>(*integer));
                 },
                 [&](int64_t* t) { return integer != nullptr && (*t = *integer, true); },
                 [&](double* t) {
                   if (integer != nullptr) *t = static_cast<double>(*integer);
                   if (real != nullptr) *t = *real;
                   return (integer != nullptr || real != nullptr) && std::isfinite(*t);
                 },
                 [&](std::string* t) {
                   const auto* v = std::get_if<std::string>(&value);
                   return v != nullptr && (*t = *v, true);
                 },
                 [&](std::vector<int>* t) { return list != nullptr && set_integers(*t, *list); },
                 [&](std::vector<double>* t) { return list != nullptr && (*t = *list, true); }},
      field.target);
}

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

std::optional<double> parse_number(std::string_view s) {
  s = trimmed(s);
  double v = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (error != std::errc() || end != s.data() + s.size() || s.empty()) return std::nullopt;
  return v;
}

std::optional<std::vector<double>> parse_list(std::string_view s) {
  s = trimmed(s);
  if (s.starts_with('[') && s.ends_with(']')) s = s.substr(1, s.size() - 2);
  std::vector<double> list;
  while (!trimmed(s).empty()) {
    const size_t comma = s.find(',');
    const auto v = parse_number(s.substr(0, comma));
    if (!v) return std::nullopt;
    list.push_back(*v);
    if (comma == std::string_view::npos) break;
    s.remove_prefix(comma + 1);
  }
  return list;
}

/// Reads `text` as the type of the field; nothing if it is not of that type.
std::optional<SettingValue> parse(const Field& field, std::string_view text) {
  const std::string_view s = trimmed(text);
  if (std::holds_alternative<std::string*>(field.target)) {
    const bool quotes = s.size() >= 2 && s.front() == '"' && s.back() == '"';
    return SettingValue(std::string(quotes ? s.substr(1, s.size() - 2) : s));
  }
  if (std::holds_alternative<bool*>(field.target)) {
    if (s == "true") return SettingValue(true);
    if (s == "false") return SettingValue(false);
    return std::nullopt;
  }
  if (std::holds_alternative<std::vector<int>*>(field.target) ||
      std::holds_alternative<std::vector<double>*>(field.target)) {
    const auto list = parse_list(s);
    if (!list) return std::nullopt;
    return SettingValue(*list);
  }
  int64_t integer = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), integer);
  if (error == std::errc() && end == s.data() + s.size() && !s.empty())
    return SettingValue(integer);
  const auto v = parse_number(s);
  if (!v) return std::nullopt;
  return SettingValue(*v);
}

[[noreturn]] void bad_type(const Field& field, std::string_view subject, const std::string& value) {
  fail(ErrorCode::bad_value, subject, field.key + " = " + value + " is not " + type_of(field),
       "give " + std::string(type_of(field)) + " (" + field.doc + ")");
}

}  // namespace

std::string to_string(const SettingValue& value) {
  return std::visit(
      Overloaded{[](bool v) { return std::string(v ? "true" : "false"); },
                 [](int64_t v) { return std::to_string(v); }, [](double v) { return number(v); },
                 [](const std::string& v) { return quoted(v); },
                 [](const std::vector<double>& v) {
                   std::string text;
                   for (const double x : v) {
                     const bool whole = x == std::floor(x) && std::abs(x) < 1e15;
                     text += text.empty() ? "[" : ", ";
                     text += whole ? std::to_string(static_cast<int64_t>(x)) : number(x);
                   }
                   return text.empty() ? std::string("[]") : text + "]";
                 }},
      value);
}

void Fields::add(std::string_view key, Field::Target target, std::string_view doc) {
  const std::string full = section_.empty() ? std::string(key) : section_ + "." + std::string(key);
  list_.push_back({full, target, std::string(doc)});
}

Settings Fields::values() const {
  Settings settings;
  for (const Field& f : list_) {
    settings[f.key] =
        std::visit(Overloaded{[](bool* t) { return SettingValue(*t); },
                              [](int* t) { return SettingValue(static_cast<int64_t>(*t)); },
                              [](int64_t* t) { return SettingValue(*t); },
                              [](double* t) { return SettingValue(*t); },
                              [](std::string* t) { return SettingValue(*t); },
                              [](std::vector<int>* t) {
                                return SettingValue(std::vector<double>(t->begin(), t->end()));
                              },
                              [](std::vector<double>* t) { return SettingValue(*t); }},
                   f.target);
  }
  return settings;
}

const Field& Fields::find(std::string_view key, std::string_view subject) const {
  std::vector<std::string_view> keys;
  for (const Field& f : list_) {
    if (f.key == key) return f;
    keys.push_back(f.key);
  }
  fail(ErrorCode::unknown_key, subject, "there is no key \"" + std::string(key) + "\"",
       "use " + std::string(nearest_name(key, keys)) + " (the nearest), or see --print-config");
}

void Fields::apply(const Settings& settings, std::string_view subject) const {
  for (const auto& [key, value] : settings) {
    const Field& field = find(key, subject);
    if (!set(field, value)) bad_type(field, subject, to_string(value));
  }
}

void Fields::apply_known(const Settings& settings, std::string_view subject) const {
  for (const Field& field : list_) {
    const auto it = settings.find(field.key);
    if (it == settings.end() || set(field, it->second)) continue;
    fail(ErrorCode::file_corrupt, subject,
         field.key + " = " + to_string(it->second) + " is not " + type_of(field),
         "use a file written by ito");
  }
}

void Fields::assign(std::string_view key, std::string_view text, std::string_view subject) const {
  const Field& field = find(key, subject);
  const auto value = parse(field, text);
  if (!value || !set(field, *value)) bad_type(field, subject, std::string(text));
}

}  // namespace ito
