// A reader for the small part of Python's pickle format that torch.save emits (protocol 2).
//
// A pickle is a program for a stack machine. This reader runs no code: a name that the program asks
// for must be on a fixed list, and the few calls on that list make plain values. Values lie in one
// table and refer to each other by index, so that files with cycles or deep nesting cost no
// recursion and no leak.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ito::tools {

using ValueId = uint32_t;

struct Value {
  enum class Kind : uint8_t {
    none,
    boolean,        ///< integer: 0 or 1
    integer,        ///< fits 64 bits
    large_integer,  ///< text: two's complement, little-endian, more than 8 bytes
    real,
    text,        ///< UTF-8 as it stands in the file, unchecked
    tuple,       ///< items
    list,        ///< items
    dict,        ///< items: key, value, key, value, ... in the file's order
    global,      ///< text: "module.name"
    persistent,  ///< items: the description of something outside the pickle (a storage)
    tensor,      ///< items: arguments of torch._utils._rebuild_tensor_v2
  };
  Kind kind = Kind::none;
  int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<ValueId> items;
};

struct Pickle {
  std::vector<Value> values;
  ValueId root = 0;
  size_t size = 0;  ///< bytes up to and with the end of the program

  const Value& at(ValueId id) const { return values[id]; }
};

/// Largest pickle that is read, in bytes, and the most values in one. A checkpoint of a network
/// with a thousand tensors needs 1 MiB and 50,000 values.
inline constexpr size_t kMostPickleBytes = size_t{16} << 20;
inline constexpr size_t kMostPickleValues = size_t{1} << 20;

/// Reads the pickle at the beginning of `bytes`. Names allowed: collections.OrderedDict,
/// torch._utils._rebuild_tensor_v2, torch._utils._rebuild_parameter, torch.Size and torch's storage
/// types. `file` and `part` ("data.pkl") stand in the errors.
/// Throws UserError: file_truncated if the bytes end first, file_unknown for a name or an operation
/// that is not allowed, file_corrupt for everything else; with the offset.
Pickle read_pickle(std::span<const uint8_t> bytes, std::string_view file, std::string_view part);

}  // namespace ito::tools
