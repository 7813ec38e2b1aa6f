// A JSON file with one object, read value by value: each has a type, a range, and a default.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace ito::tools {

/// Throws UserError: file_missing, file_corrupt for what is no JSON object of at most 1 MiB or a
/// value of another type or out of range.
class JsonObject {
 public:
  explicit JsonObject(const std::filesystem::path& file);
  ~JsonObject();
  JsonObject(JsonObject&&) noexcept;

  const std::filesystem::path& path() const { return path_; }
  std::vector<std::string> keys() const;
  /// The value as JSON text, cut after 60 bytes; `fallback` where the key is absent.
  std::string shown(const std::string& key, const std::string& fallback) const;
  bool is_null(const std::string& key) const;  ///< absent or null

  // The value; where the key is absent, `fallback`.
  bool flag(const std::string& key, bool fallback) const;
  int integer(const std::string& key, int least, int most, int fallback) const;
  double number(const std::string& key, double fallback) const;
  std::string text(const std::string& key, const std::string& fallback) const;
  // Lists have no default.
  std::vector<int> integers(const std::string& key, int least, int most) const;
  std::vector<std::string> texts(const std::string& key) const;

 private:
  struct Content;
  [[noreturn]] void wrong(const std::string& key, const std::string& type) const;

  std::filesystem::path path_;
  std::unique_ptr<Content> content_;
};

}  // namespace ito::tools
