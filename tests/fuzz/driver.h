// A small driver for fuzz targets, for compilers without libFuzzer: replays inputs and seeded
// mutations of them.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <vector>

namespace ito::fuzz {

using Bytes = std::vector<uint8_t>;

/// One input made of another: bits, bytes and numbers changed, parts cut, doubled, moved, or taken
/// from `other`. Depends on the state of `random` alone; at most kMostBytes long.
inline constexpr size_t kMostBytes = 1 << 16;
Bytes mutated(const Bytes& input, const Bytes& other, std::mt19937_64& random);

/// Gives every seed and then `mutations` mutations to `target`, the same ones for the same
/// arguments. Calls `before` ahead of each, so that an input that ends the process is known.
/// Returns the number of inputs.
int64_t drive(const std::vector<Bytes>& seeds, int64_t mutations, uint64_t seed,
              const std::function<void(const Bytes&)>& target,
              const std::function<void(const Bytes&)>& before = {});

}  // namespace ito::fuzz
