// Errors and checks. The library throws, never prints and never aborts.
//
// Two families: programming mistakes (ShapeError, DTypeError, ...: the message names the op, the
// rule, the values and the inputs) and failures that a user of a program can mend (UserError: a
// numbered line "subject: fact; fix: what to do").
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "engine/core/error_codes.h"

namespace ito {

/// Base of everything this library throws.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A size, rank or axis that breaks a rule of an op.
class ShapeError : public Error {
 public:
  using Error::Error;
};
/// An element type that an op does not take.
class DTypeError : public Error {
 public:
  using Error::Error;
};
/// Tensors on different devices, or a device that an op cannot serve.
class DeviceError : public Error {
 public:
  using Error::Error;
};
/// A wrong use of the tape: a released graph, a saved tensor modified in place, a missing gradient.
class AutogradError : public Error {
 public:
  using Error::Error;
};
/// A value outside its documented range, or another broken precondition.
class ValueError : public Error {
 public:
  using Error::Error;
};
/// A broken invariant of ours; please report it.
class InternalError : public Error {
 public:
  using Error::Error;
};

/// A failure that the user of a program can mend. Tools print `error[E312] subject: fact; fix: fix`
/// and exit with exit_code_of(code()).
class UserError : public Error {
 public:
  UserError(ErrorCode code, std::string subject, std::string fact, std::string fix);
  ErrorCode code() const { return code_; }
  const std::string& subject() const { return subject_; }  ///< file, option or key; escaped
  const std::string& fact() const { return fact_; }
  const std::string& fix() const { return fix_; }

 private:
  ErrorCode code_;
  std::string subject_, fact_, fix_;
};

/// Throws UserError. `subject` may be text from outside: control bytes in it are escaped.
[[noreturn]] void fail(ErrorCode code, std::string_view subject, std::string_view fact,
                       std::string_view fix);

/// Replaces control bytes and invalid UTF-8 by \xNN, so that a terminal shows the text as it is.
std::string escaped(std::string_view text);

namespace detail {

std::string kv_text(std::string_view name, std::string_view value);
std::string number_text(double value);
std::string join_rule(std::string_view rule, const std::string* items, int count);

template <class T>
concept HasToString = requires(const T& v) {
  { to_string(v) } -> std::convertible_to<std::string>;
};

}  // namespace detail

/// "name=value" for the list behind a broken rule. Takes numbers, text, and every type of ours that
/// has a to_string.
template <class T>
std::string kv(std::string_view name, const T& value) {
  if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return detail::kv_text(name, value);
  } else if constexpr (std::is_integral_v<T>) {
    return detail::kv_text(name, std::to_string(value));
  } else if constexpr (std::is_floating_point_v<T>) {
    return detail::kv_text(name, detail::number_text(static_cast<double>(value)));
  } else {
    static_assert(detail::HasToString<T>, "kv needs a number, text, or a to_string()");
    return detail::kv_text(name, to_string(value));
  }
}

namespace detail {

/// "rule (k1=v1, k2=v2)".
template <class... Items>
std::string rule_text(std::string_view rule, const Items&... items) {
  const std::string list[] = {items..., std::string()};
  return join_rule(rule, list, static_cast<int>(sizeof...(Items)));
}

}  // namespace detail

}  // namespace ito

/// Throws `Type` with "rule (name=value, ...)" unless the condition holds.
/// ITO_CHECK(c % groups == 0, ShapeError, "channels must divide by groups", kv("C", c));
#define ITO_CHECK(condition, Type, ...)                                         \
  do {                                                                          \
    if (!(condition)) throw ::ito::Type(::ito::detail::rule_text(__VA_ARGS__)); \
  } while (false)
