#include "tests/fuzz/driver.h"

#include <algorithm>
#include <iterator>

namespace ito::fuzz {

namespace {

/// Numbers at which sizes and offsets break.
constexpr uint64_t kNumbers[] = {0,          1,          2,          3,          0x7F,
                                 0x80,       0xFF,       0x100,      0x7FFF,     0x8000,
                                 0xFFFF,     0x10000,    0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
                                 1ull << 32, 1ull << 40, 1ull << 62, 1ull << 63, ~0ull};

class Mutator {
 public:
  Mutator(Bytes input, const Bytes& other, std::mt19937_64& random)
      : bytes_(std::move(input)), other_(other), random_(random) {}

  Bytes run() {
    const uint64_t changes = 1 + below(4);
    for (uint64_t i = 0; i < changes; ++i) change();
    if (bytes_.size() > kMostBytes) bytes_.resize(kMostBytes);
    return std::move(bytes_);
  }

 private:
  uint64_t below(uint64_t n) { return n == 0 ? 0 : random_() % n; }
  /// A place in the input; half of the time among the first bytes, where the sizes are.
  size_t place() {
    const size_t range = below(2) ? bytes_.size() : std::min<size_t>(bytes_.size(), 64);
    return below(range);
  }

  void change() {
    if (bytes_.empty()) {
      bytes_.resize(1 + below(16), static_cast<uint8_t>(random_()));
      return;
    }
    switch (below(8)) {
      case 0:
        bytes_[place()] ^= static_cast<uint8_t>(1u << below(8));
        break;
      case 1:
        bytes_[place()] = static_cast<uint8_t>(random_());
        break;
      case 2:
        put_number(kNumbers[below(std::size(kNumbers))]);
        break;
      case 3:
        nudge();
        break;
      case 4:
        bytes_.resize(below(bytes_.size()));
        break;
      case 5:
        erase();
        break;
      case 6:
        insert(bytes_);
        break;
      default:
        insert(other_);
        break;
    }
  }

  /// A number of 1, 2, 4 or 8 bytes in either order.
  void put_number(uint64_t value) {
    const size_t width = size_t{1} << below(4), at = place();
    const bool big = below(2) == 1;
    for (size_t i = 0; i < width && at + i < bytes_.size(); ++i) {
      bytes_[at + i] = static_cast<uint8_t>(value >> (8 * (big ? width - 1 - i : i)));
    }
  }

  void nudge() {
    uint8_t& b = bytes_[place()];
    b = static_cast<uint8_t>(b + below(9) - 4);
  }

  void erase() {
    const size_t at = place(), count = std::min<size_t>(bytes_.size() - at, 1 + below(32));
    bytes_.erase(bytes_.begin() + std::ptrdiff_t(at), bytes_.begin() + std::ptrdiff_t(at + count));
  }

  /// A part of `from`, up to 64 bytes, somewhere else.
  void insert(const Bytes& from) {
    if (from.empty()) return;
    const size_t first = below(from.size()), count = std::min(from.size() - first, size_t{64});
    const Bytes part(from.begin() + std::ptrdiff_t(first),
                     from.begin() + std::ptrdiff_t(first + 1 + below(count)));
    bytes_.insert(bytes_.begin() + std::ptrdiff_t(place()), part.begin(), part.end());
  }

  Bytes bytes_;
  const Bytes& other_;
  std::mt19937_64& random_;
};

}  // namespace

Bytes mutated(const Bytes& input, const Bytes& other, std::mt19937_64& random) {
  return Mutator(input, other, random).run();
}

int64_t drive(const std::vector<Bytes>& seeds, int64_t mutations, uint64_t seed,
              const std::function<void(const Bytes&)>& target,
              const std::function<void(const Bytes&)>& before) {
  const auto run = [&](const Bytes& input) {
    if (before) before(input);
    target(input);
  };
  for (const Bytes& s : seeds) run(s);
  std::mt19937_64 random(seed);
  for (int64_t i = 0; i < mutations; ++i) {
    const Bytes& from = seeds[random() % seeds.size()];
    run(mutated(from, seeds[random() % seeds.size()], random));
  }
  return std::ssize(seeds) + mutations;
}

}  // namespace ito::fuzz
