// Which samples of a set without splits of its own are held out.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ito::data {

enum class Split { train, test };

/// Of fewer samples none are held out: both splits are all of them.
inline constexpr size_t kLeastForSplit = 200;

/// Whether sample i of `count` belongs to a split: every 20th is held out.
constexpr bool belongs_to(Split split, size_t i, size_t count) {
  constexpr size_t kEveryHeldOut = 20;
  const bool held_out = i % kEveryHeldOut == kEveryHeldOut - 1;
  return count < kLeastForSplit || held_out == (split == Split::test);
}

}  // namespace ito::data
