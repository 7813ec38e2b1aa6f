#include "tools/data/packed.h"
#include "tests/fuzz/input.h"

using namespace ito;

/// The header of any input is given the sum that it should have, so that what follows is reached.
ITO_FUZZ_TARGET(input) {
  std::vector<uint8_t> bytes(input.begin(), input.end());
  constexpr size_t kSumAt = 184;
  if (bytes.size() >= kSumAt + 8) {
    uint64_t sum = 14695981039346656037ull;
    for (size_t i = 0; i < kSumAt; ++i) sum = (sum ^ bytes[i]) * 1099511628211ull;
    for (size_t i = 0; i < 8; ++i) bytes[kSumAt + i] = static_cast<uint8_t>(sum >> (8 * i));
  }
  const fuzz::MemoryFile file(bytes);
  for (const data::Split split : {data::Split::train, data::Split::test}) {
    const data::Dataset set(data::open_packed(file.path(), split));
    set.pixels(0);
    set.pixels(set.size() - 1);
  }
  data::check_packed(file.path());
}
