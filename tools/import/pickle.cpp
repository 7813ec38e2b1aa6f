#include "tools/import/pickle.h"

#include <algorithm>
#include <bit>
#include <unordered_map>

#include "engine/core/check.h"

namespace ito::tools {
namespace {

using Kind = Value::Kind;

constexpr size_t kMostMarks = 1000;     // open "(" at one time
constexpr size_t kMostNameBytes = 200;  // of a module or a name

constexpr std::string_view kOrderedDict = "collections.OrderedDict";
constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils._rebuild_parameter";
constexpr std::string_view kSize = "torch.Size";
constexpr std::string_view kAllowed[] = {
    kOrderedDict,         kRebuildTensor,        kRebuildParameter,   kSize,
    "torch.FloatStorage", "torch.DoubleStorage", "torch.HalfStorage", "torch.BFloat16Storage",
    "torch.LongStorage",  "torch.IntStorage",    "torch.ByteStorage", "torch.ShortStorage",
    "torch.CharStorage",  "torch.BoolStorage",
};

/// Operations of the stack machine, by their byte in the file.
enum Op : uint8_t {
  kMark = '(',
  kStop = '.',
  kEmptyTuple = ')',
  kEmptyList = ']',
  kEmptyDict = '}',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kSetItems = 'u',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kProto = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
};

class Machine {
 public:
  Machine(std::span<const uint8_t> bytes, std::string_view file, std::string_view part)
      : bytes_(bytes), file_(file), part_(part) {}

  Pickle run() {
    if (byte() != kProto || byte() != 2) corrupt("does not begin as a pickle of protocol 2");
    while (true) {
      start_ = at_;
      const uint8_t op = byte();
      if (op == kStop) break;
      if (!scalar(op) && !container(op) && !memo(op) && !call(op)) {
        unknown("uses the operation " + std::to_string(op));
      }
    }
    out_.root = pop();
    out_.size = at_;
    return std::move(out_);
  }

 private:
  [[noreturn]] void stop(ErrorCode code, const std::string& fact, const char* fix) const {
    fail(code, file_, std::string(part_) + " " + fact + " at byte " + std::to_string(start_), fix);
  }
  [[noreturn]] void corrupt(const std::string& fact) const {
    stop(ErrorCode::file_corrupt, fact, "write or copy the file again");
  }
  [[noreturn]] void unknown(const std::string& fact) const {
    stop(ErrorCode::file_unknown, fact,
         "use a checkpoint of tensors, numbers and dictionaries written by torch.save");
  }

  std::span<const uint8_t> take(size_t count) {
    if (count > bytes_.size() - at_) {
      if (bytes_.size() == kMostPickleBytes) corrupt("goes on beyond the 16 MiB that are read");
      stop(ErrorCode::file_truncated, "ends inside an operation", "write or copy the file again");
    }
    at_ += count;
    return bytes_.subspan(at_ - count, count);
  }
  uint8_t byte() { return take(1)[0]; }
  /// Unsigned and little-endian, up to 8 bytes.
  uint64_t number(size_t count) {
    uint64_t value = 0;
    const auto digits = take(count);
    for (size_t i = 0; i < count; ++i) value |= uint64_t{digits[i]} << (8 * i);
    return value;
  }
  std::string text(size_t count) {
    const auto part = take(count);
    return {part.begin(), part.end()};
  }
  std::string line() {
    std::string name;
    for (char c = static_cast<char>(byte()); c != '\n'; c = static_cast<char>(byte())) {
      if (name.size() == kMostNameBytes) corrupt("has a name that is too long");
      name += c;
    }
    return name;
  }

  void push(Value value) {
    if (out_.values.size() == kMostPickleValues) {
      corrupt("has more than " + std::to_string(kMostPickleValues) + " values");
    }
    stack_.push_back(static_cast<ValueId>(out_.values.size()));
    out_.values.push_back(std::move(value));
  }
  void push_integer(int64_t value) { push({.kind = Kind::integer, .integer = value}); }
  /// How many entries lie above the last mark: those below belong to what encloses it.
  size_t height() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  ValueId pop() {
    if (height() == 0) corrupt("takes from an empty stack");
    const ValueId id = stack_.back();
    stack_.pop_back();
    return id;
  }
  std::vector<ValueId> pop(size_t count) {
    if (height() < count) corrupt("takes from an empty stack");
    std::vector<ValueId> items(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return items;
  }
  std::vector<ValueId> pop_to_mark() {
    if (marks_.empty()) corrupt("closes what it did not open");
    std::vector<ValueId> items = pop(height());
    marks_.pop_back();
    return items;
  }
  Value& top(Kind kind, const char* name) {
    if (height() == 0) corrupt("takes from an empty stack");
    Value& value = out_.values[stack_.back()];
    if (value.kind != kind) corrupt(std::string("fills something that is no ") + name);
    return value;
  }

  bool scalar(uint8_t op) {
    switch (op) {
      case kNone:
        push({});
        return true;
      case kNewTrue:
      case kNewFalse:
        push({.kind = Kind::boolean, .integer = op == kNewTrue});
        return true;
      case kBinInt:
        push_integer(static_cast<int32_t>(number(4)));
        return true;
      case kBinInt1:
        push_integer(byte());
        return true;
      case kBinInt2:
        push_integer(static_cast<int64_t>(number(2)));
        return true;
      case kLong1:
        push(long_integer(text(byte())));
        return true;
      case kBinFloat:  // the only big-endian number
        push({.kind = Kind::real, .real = std::bit_cast<double>(__builtin_bswap64(number(8)))});
        return true;
      case kBinUnicode:
      case kBinString:
        push({.kind = Kind::text, .text = text(number(4))});
        return true;
      case kShortBinString:
        push({.kind = Kind::text, .text = text(byte())});
        return true;
      default:
        return false;
    }
  }

  static Value long_integer(std::string digits) {
    if (digits.size() > 8) return {.kind = Kind::large_integer, .text = std::move(digits)};
    const bool negative = !digits.empty() && (digits.back() & 0x80) != 0;
    uint64_t value = negative ? ~uint64_t{0} : 0;
    for (size_t i = digits.size(); i-- > 0;) {
      value = value << 8 | static_cast<uint8_t>(digits[i]);
    }
    return {.kind = Kind::integer, .integer = static_cast<int64_t>(value)};
  }

  bool container(uint8_t op) {
    switch (op) {
      case kMark:
        if (marks_.size() == kMostMarks) corrupt("nests too deep");
        marks_.push_back(stack_.size());
        return true;
      case kEmptyTuple:
      case kEmptyList:
      case kEmptyDict:
        push({.kind = op == kEmptyTuple  ? Kind::tuple
                      : op == kEmptyList ? Kind::list
                                         : Kind::dict});
        return true;
      case kTuple:
        push({.kind = Kind::tuple, .items = pop_to_mark()});
        return true;
      case kTuple1:
      case kTuple2:
      case kTuple3:
        push({.kind = Kind::tuple, .items = pop(size_t{1} + op - kTuple1)});
        return true;
      case kAppend:
        extend(Kind::list, pop(1));
        return true;
      case kAppends:
        extend(Kind::list, pop_to_mark());
        return true;
      case kSetItem:
        extend(Kind::dict, pop(2));
        return true;
      case kSetItems:
        extend(Kind::dict, pop_to_mark());
        return true;
      default:
        return false;
    }
  }

  void extend(Kind kind, const std::vector<ValueId>& items) {
    Value& target = top(kind, kind == Kind::list ? "list" : "dictionary");
    if (kind == Kind::dict && items.size() % 2 != 0) corrupt("has a key without a value");
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  bool memo(uint8_t op) {
    if (op == kBinPut || op == kLongBinPut) {
      const uint64_t slot = number(op == kBinPut ? 1 : 4);
      if (height() == 0) corrupt("takes from an empty stack");
      memo_[slot] = stack_.back();
      return true;
    }
    if (op != kBinGet && op != kLongBinGet) return false;
    const auto found = memo_.find(number(op == kBinGet ? 1 : 4));
    if (found == memo_.end()) corrupt("recalls what it did not remember");
    stack_.push_back(found->second);
    return true;
  }

  bool call(uint8_t op) {
    switch (op) {
      case kGlobal: {
        const std::string module = line(), name = module + "." + line();
        if (std::ranges::find(kAllowed, name) == std::end(kAllowed)) {
          unknown("asks for " + name + ", which is not allowed,");
        }
        push({.kind = Kind::global, .text = name});
        return true;
      }
      case kReduce: {
        const ValueId arguments = pop(), function = pop();
        reduce(out_.values[function], out_.values[arguments]);
        return true;
      }
      case kBuild:  // attributes of an ordered dictionary, such as _metadata: nothing of use
        pop();
        top(Kind::dict, "dictionary");
        return true;
      case kBinPersId: {
        const Value& description = out_.values[pop()];
        // The limit also keeps copies of one long tuple from filling the memory.
        if (description.kind != Kind::tuple || description.items.size() > 6) {
          corrupt("has a storage that is not described");
        }
        push({.kind = Kind::persistent, .items = description.items});
        return true;
      }
      default:
        return false;
    }
  }

  void reduce(const Value& function, const Value& arguments) {
    if (function.kind != Kind::global || arguments.kind != Kind::tuple) {
      corrupt("calls what is no function");
    }
    const std::vector<ValueId>& items = arguments.items;
    if (function.text == kOrderedDict && items.empty()) return push({.kind = Kind::dict});
    if (function.text == kRebuildTensor && items.size() >= 6 && items.size() <= 7) {
      return push({.kind = Kind::tensor, .items = items});
    }
    if (function.text == kRebuildParameter && items.size() == 3 &&
        out_.at(items[0]).kind == Kind::tensor) {
      return stack_.push_back(items[0]);
    }
    if (function.text == kSize && items.size() == 1 && out_.at(items[0]).kind == Kind::tuple) {
      return stack_.push_back(items[0]);
    }
    corrupt("calls " + function.text + " with arguments that it does not take");
  }

  std::span<const uint8_t> bytes_;
  std::string_view file_, part_;
  size_t at_ = 0, start_ = 0;
  Pickle out_;
  std::vector<ValueId> stack_;
  std::vector<size_t> marks_;  // heights of the stack
  std::unordered_map<uint64_t, ValueId> memo_;
};

}  // namespace

Pickle read_pickle(std::span<const uint8_t> bytes, std::string_view file, std::string_view part) {
  if (bytes.size() > kMostPickleBytes) bytes = bytes.first(kMostPickleBytes);
  return Machine(bytes, file, part).run();
}

}  // namespace ito::tools
