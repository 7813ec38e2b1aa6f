// Built-in pictures of digits: ten classes drawn with a pen whose stroke wobbles.
//
// A digit is a few lines and elliptic arcs. Each picture bends them by a random smooth field, then
// scales, slants, turns and places them at random; the ink is the set of points nearer to the pen's
// path than half its width, with the edge smoothed over one pixel.
#pragma once

#include <cstdint>

#include "tools/data/dataset.h"

namespace ito::data {

inline constexpr int kMinDigitSize = 12;
inline constexpr int kMaxDigitSize = 64;

/// Pictures and labels of `count` digits, white on black (channels = 1) or in two random colours
/// (channels = 3). Image i is a function of (seed, i) alone and shows digit i mod 10.
/// Throws ValueError unless size is in [kMinDigitSize, kMaxDigitSize] and channels is 1 or 3.
Dataset::Content make_digits(uint64_t seed, int count, int size, int channels);

}  // namespace ito::data
