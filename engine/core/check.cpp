#include "engine/core/check.h"

#include <cstdio>

#include "engine/core/utf8.h"

namespace ito {

namespace {

std::string user_text(std::string_view subject, std::string_view fact, std::string_view fix) {
  std::string text;
  text.append(subject).append(": ").append(fact).append("; fix: ").append(fix);
  return text;
}

}  // namespace

UserError::UserError(ErrorCode code, std::string subject, std::string fact, std::string fix)
    : Error(user_text(subject, fact, fix)),
      code_(code),
      subject_(std::move(subject)),
      fact_(std::move(fact)),
      fix_(std::move(fix)) {}

void fail(ErrorCode code, std::string_view subject, std::string_view fact, std::string_view fix) {
  throw UserError(code, escaped(subject), escaped(fact), escaped(fix));
}

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text[0]);
    const size_t length = utf8_length(text);
    // C1 controls (U+0080..U+009F) are two-byte sequences that terminals obey.
    const bool c1 = length == 2 && first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0;
    if (length == 0 || first < 0x20 || first == 0x7F || c1) {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\x%02X", first);
      out += hex;
      text.remove_prefix(1);
    } else {
      out.append(text.substr(0, length));
      text.remove_prefix(length);
    }
  }
  return out;
}

namespace detail {

std::string kv_text(std::string_view name, std::string_view value) {
  std::string text(name);
  text.append("=").append(value);
  return text;
}

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

std::string join_rule(std::string_view rule, const std::string* items, int count) {
  std::string text(rule);
  for (int i = 0; i < count; ++i) {
    text += i == 0 ? " (" : ", ";
    text += items[i];
  }
  if (count > 0) text += ")";
  return text;
}

}  // namespace detail
}  // namespace ito
