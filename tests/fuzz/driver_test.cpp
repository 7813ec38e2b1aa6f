// The driver itself: the same inputs every time, and planted faults that it must find.
#include "tests/fuzz/driver.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

namespace ito::fuzz {
namespace {

const std::vector<Bytes> kSeeds = {{'A', 'B', 4, 0, 0, 0, 1, 2, 3, 4}, {9, 9, 9}, {}};

TEST(Driver, GivesTheSameInputsEveryTime) {
  std::vector<Bytes> first, second, other;
  const auto into = [](std::vector<Bytes>& list) {
    return [&list](const Bytes& input) { list.push_back(input); };
  };
  EXPECT_EQ(drive(kSeeds, 500, 7, into(first)), 503);
  drive(kSeeds, 500, 7, into(second));
  drive(kSeeds, 500, 8, into(other));
  EXPECT_EQ(first, second);
  EXPECT_NE(first, other);
  EXPECT_TRUE(std::equal(kSeeds.begin(), kSeeds.end(), first.begin()));
  const std::set<Bytes> different(first.begin(), first.end());
  EXPECT_GT(different.size(), 400u);
  for (const Bytes& input : first) EXPECT_LE(input.size(), kMostBytes);
}

TEST(Driver, NamesTheInputBeforeItRuns) {
  Bytes named;
  drive(
      kSeeds, 50, 1, [&](const Bytes& input) { EXPECT_EQ(input, named); },
      [&](const Bytes& input) { named = input; });
}

/// A reader that trusts a length of four bytes after its mark.
bool trusts_a_length(const Bytes& input) {
  if (input.size() < 6 || input[0] != 'A' || input[1] != 'B') return false;
  uint32_t length = 0;
  std::memcpy(&length, input.data() + 2, 4);
  return length > input.size() - 6;
}
/// One that multiplies two sizes in 32 bits.
bool overflows(const Bytes& input) {
  if (input.size() < 10 || input[0] != 'A') return false;
  uint32_t a = 0, b = 0;
  std::memcpy(&a, input.data() + 2, 4);
  std::memcpy(&b, input.data() + 6, 4);
  return uint64_t{a} * b > UINT32_MAX && a * b < 64;
}

TEST(Driver, FindsPlantedFaults) {
  for (const auto fault : {trusts_a_length, overflows}) {
    int found = 0;
    drive(kSeeds, 20'000, 1, [&](const Bytes& input) { found += fault(input); });
    EXPECT_GT(found, 0);
    for (const Bytes& seed : kSeeds) EXPECT_FALSE(fault(seed));
  }
}

}  // namespace
}  // namespace ito::fuzz
