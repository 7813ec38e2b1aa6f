#include "tools/data/labels_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "engine/core/check.h"

namespace ito::data {

namespace {

using Json = nlohmann::json;

constexpr const char* kForm = "write {\"labels\": [[\"file.png\", 0], ...]}";

/// Follows the events of the parser. Depth 1 is the object, 2 the list of labels, 3 one pair.
class Reader final : public nlohmann::json_sax<Json> {
 public:
  Reader(std::string_view subject, const std::function<void(const std::string&, int64_t)>& found)
      : subject_(subject), found_(found) {}

  bool has_labels() const { return has_labels_; }

  bool null() override {
    if (in_labels_ && depth_ > 1) refuse("has a null among its labels");
    in_labels_ = false;
    return value();
  }
  bool boolean(bool) override { return other(); }
  bool number_integer(number_integer_t v) override { return number(v); }
  bool number_unsigned(number_unsigned_t v) override {
    return number(v > INT64_MAX ? -1 : static_cast<int64_t>(v));
  }
  bool number_float(number_float_t, const string_t&) override { return other(); }
  bool binary(binary_t&) override { return other(); }
  bool string(string_t& v) override {
    if (!in_pair() || items_ != 0) return other();
    path_ = std::move(v);
    ++items_;
    return true;
  }
  bool key(string_t& v) override {
    in_labels_ = depth_ == 1 && v == "labels";
    return true;
  }
  bool start_object(std::size_t) override {
    if (in_labels_) refuse("has an object among its labels");
    return enter();
  }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t) override {
    if (depth_ == 0) refuse("is no object");
    if (in_labels_ && depth_ == 3) unknown();
    if (in_labels_ && depth_ == 1) has_labels_ = true;
    items_ = 0;
    return enter();
  }
  bool end_array() override {
    if (in_pair() && items_ != 2) refuse("has a label without a file or without a class");
    return leave();
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    refuse("is no JSON at byte " + std::to_string(position));
  }

 private:
  [[noreturn]] void refuse(const std::string& fact) const {
    fail(ErrorCode::file_corrupt, subject_, fact, kForm);
  }
  [[noreturn]] void unknown() const {
    fail(ErrorCode::file_unknown, subject_, "has labels that are no class numbers", kForm);
  }
  bool in_pair() const { return in_labels_ && depth_ == 3; }
  bool value() const {
    if (depth_ == 0) refuse("is no object");
    return true;
  }
  bool other() const {
    if (in_labels_ && depth_ > 1) unknown();
    if (in_labels_) refuse("has no list under \"labels\"");
    return value();
  }
  bool number(int64_t v) {
    if (!in_pair() || items_ != 1) return other();
    ++items_;
    found_(path_, v);
    return true;
  }
  bool enter() {
    ++depth_;
    return true;
  }
  bool leave() {
    --depth_;
    if (depth_ == 1) in_labels_ = false;
    return true;
  }

  std::string_view subject_;
  const std::function<void(const std::string&, int64_t)>& found_;
  int depth_ = 0;
  int items_ = 0;  // of the pair that is open
  bool in_labels_ = false, has_labels_ = false;
  std::string path_;
};

}  // namespace

bool read_labels_file(std::span<const uint8_t> text, std::string_view subject,
                      const std::function<void(const std::string& path, int64_t label)>& found) {
  Reader reader(subject, found);
  Json::sax_parse(text.begin(), text.end(), &reader);
  return reader.has_labels();
}

PictureLabels labels_of(std::span<const std::string> names, std::span<const uint8_t> text,
                        std::string_view subject) {
  constexpr int64_t kMostClasses = 256;
  std::unordered_map<std::string_view, size_t> place;
  for (size_t i = 0; i < names.size(); ++i) place[names[i]] = i;
  PictureLabels result;
  std::vector<bool> labelled(names.size());
  result.labels.resize(names.size());
  const bool any = read_labels_file(text, subject, [&](const std::string& path, int64_t label) {
    if (label < 0 || label >= kMostClasses) {
      fail(ErrorCode::file_mismatch, subject,
           path + " has class " + std::to_string(label) + ", not 0 to 255",
           "use at most 256 classes, or leave the labels file out");
    }
    result.classes = std::max(result.classes, static_cast<int>(label) + 1);
    const auto found = place.find(path);
    if (found == place.end()) return;
    result.labels[found->second] = static_cast<uint8_t>(label);
    labelled[found->second] = true;
  });
  if (!any) return {};
  const auto missing = std::ranges::find(labelled, false);
  if (missing != labelled.end()) {
    fail(ErrorCode::file_mismatch, subject,
         "has no label for " + names[static_cast<size_t>(missing - labelled.begin())],
         "label every picture, or leave the labels file out");
  }
  return result;
}

}  // namespace ito::data
