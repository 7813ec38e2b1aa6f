// Settings: what a configuration file says, and the fields of configuration structs that it fills.
//
// Every configuration struct lists its members once (`void fields(Fields&)`): key, meaning, unit or
// range. Files, --set, --help, the documents and validation all come from that list.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ito {

/// A value of a configuration file.
using SettingValue = std::variant<bool, int64_t, double, std::string, std::vector<double>>;
/// Values by dotted key, "model.nf".
using Settings = std::map<std::string, SettingValue>;

/// "true", "128", "0.1", "\"ve\"", "[1, 2, 2]": as TOML and JSON write it; doubles round-trip.
std::string to_string(const SettingValue& value);

/// One member of a configuration struct.
struct Field {
  using Target = std::variant<bool*, int*, int64_t*, double*, std::string*, std::vector<int>*,
                              std::vector<double>*>;
  std::string key;  ///< "model.nf"
  Target target;
  std::string doc;  ///< meaning, with unit and range
};

/// The members of one or several structs, in order.
class Fields {
 public:
  /// Keys added after this call get "section." in front.
  void section(std::string_view name) { section_ = std::string(name); }
  void add(std::string_view key, Field::Target target, std::string_view doc);
  const std::vector<Field>& list() const { return list_; }

  /// Values of all fields.
  Settings values() const;
  /// Sets fields from `settings`. `subject` (a file or an option) stands in the errors.
  /// Throws UserError: unknown_key naming the nearest key, or bad_value for a value of another
  /// type.
  void apply(const Settings& settings, std::string_view subject) const;
  /// The same for what a file of ours carries: takes those settings that are among the fields and
  /// ignores the rest. A value of another type is UserError(file_corrupt).
  void apply_known(const Settings& settings, std::string_view subject) const;
  /// Parses `text` as the type of the field `key` and sets it (for --set key=value).
  void assign(std::string_view key, std::string_view text, std::string_view subject) const;

 private:
  const Field& find(std::string_view key, std::string_view subject) const;

  std::string section_;
  std::vector<Field> list_;
};

}  // namespace ito
