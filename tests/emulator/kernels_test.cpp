// Correct kernels against exact oracles: on every variant of the emulator, and on the GPU if there
// is one (the same file, with ITO_GPU_NS=cuda).
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

#include "tests/emulator/buffer.h"
#ifdef ITO_TEST_EMULATOR
#include "kernels/common/emulator/emulator.h"
#endif

namespace ito::ITO_GPU_NS {
namespace {

float bf16_to_float(std::uint16_t bits) {
  const std::uint32_t wide = static_cast<std::uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

/// Bits of a bfloat16 that holds a small integer exactly.
std::uint16_t bf16_of(int value) {
  const float f = static_cast<float>(value);
  std::uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  return static_cast<std::uint16_t>(bits >> 16);
}

std::vector<float> random_floats(std::size_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-2.0f, 2.0f);
  std::vector<float> values(n);
  for (float& v : values) v = uniform(engine);
  return values;
}

std::vector<int> random_integers(std::size_t n, int low, int high, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_int_distribution<int> uniform(low, high);
  std::vector<int> values(n);
  for (int& v : values) v = uniform(engine);
  return values;
}

std::vector<std::uint16_t> bf16_of(const std::vector<int>& values) {
  std::vector<std::uint16_t> bits;
  for (int v : values) bits.push_back(bf16_of(v));
  return bits;
}

std::vector<double> product(const std::vector<int>& a, const std::vector<int>& b, int m, int n,
                            int k) {
  std::vector<double> c(static_cast<std::size_t>(m * n));
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      double sum = 0;
      for (int l = 0; l < k; ++l) {
        sum += static_cast<double>(a[static_cast<std::size_t>(i * k + l)]) *
               b[static_cast<std::size_t>(l * n + j)];
      }
      c[static_cast<std::size_t>(i * n + j)] = sum;
    }
  }
  return c;
}

/// The parameter is the seed of the order in which the emulator runs threads.
class Kernels : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (!available()) GTEST_SKIP() << "no GPU";
#ifdef ITO_TEST_EMULATOR
    gpu::emu::reset();
    gpu::emu::config().seed = static_cast<std::uint64_t>(GetParam());
#endif
  }
  void TearDown() override {
#ifdef ITO_TEST_EMULATOR
    gpu::emu::config().seed = 0;
    const auto& reports = gpu::emu::stats().race_reports;
    EXPECT_EQ(gpu::emu::stats().races, 0u) << (reports.empty() ? "" : reports.front());
#endif
  }
  static void expect_done(gpu::Status status) {
    ASSERT_TRUE(status.ok()) << status.message;
    const gpu::Status end = finish();
    ASSERT_TRUE(end.ok()) << end.message;
  }
};

TEST_P(Kernels, ElementwiseWithTails) {
  for (int n : {1, 127, 128, 129, 1003}) {
    const auto x = random_floats(static_cast<std::size_t>(n), 1), y = random_floats(x.size(), 2);
    Buffer<float> bx(x), plain(y), packed(y);
    expect_done(axpy(1.25f, bx.data(), plain.data(), n));
    expect_done(axpy_packed(1.25f, bx.data(), packed.data(), n));
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(plain[i], std::fma(1.25f, x[i], y[i])) << i << " of " << n;
      ASSERT_EQ(packed[i], plain[i]) << i << " of " << n;
    }
  }
}

TEST_P(Kernels, RoundsOncePerOperation) {
  const std::size_t n = 1000;
  const auto x = random_floats(n, 3);
  auto y = random_floats(n, 4);
  for (float& v : y) v = std::abs(v) + 1e-3f;
  Buffer<float> bx(x), by(y), out(5 * n);
  expect_done(rounded_arithmetic(bx.data(), by.data(), out.data(), static_cast<int>(n)));
  int contracted = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const volatile float rounded = x[i] * y[i];
    ASSERT_EQ(out[i], rounded + x[i]);
    ASSERT_EQ(out[n + i], std::fma(x[i], y[i], x[i]));
    ASSERT_EQ(out[2 * n + i], x[i] / y[i]);
    ASSERT_EQ(out[3 * n + i], std::sqrt(y[i]));
    ASSERT_EQ(out[4 * n + i], static_cast<float>(std::fma(double{x[i]}, double{y[i]}, 1.0)));
    contracted += out[i] != out[n + i];
  }
  EXPECT_GT(contracted, 0) << "the inputs do not tell fma from mul and add";
}

TEST_P(Kernels, Bf16RoundsToNearestEven) {
  const float inf = std::numeric_limits<float>::infinity();
  const float one_ulp = 0.0078125f;  // of bfloat16 at 1
  const std::vector<float> x = {0.0f,
                                -0.0f,
                                1.0f + one_ulp / 2,     // a tie: down to even
                                1.0f + 1.5f * one_ulp,  // a tie: up to even
                                std::nextafter(1.0f + one_ulp / 2, 2.0f),
                                -1.0f - 1.5f * one_ulp,
                                inf,
                                -inf,
                                std::numeric_limits<float>::max(),
                                std::numeric_limits<float>::denorm_min(),
                                std::numeric_limits<float>::quiet_NaN(),
                                -std::numeric_limits<float>::signaling_NaN()};
  const std::vector<std::uint16_t> expected = {0x0000, 0x8000, 0x3F80, 0x3F82, 0x3F81, 0xBF82,
                                               0x7F80, 0xFF80, 0x7F80, 0x0000, 0x7FFF, 0x7FFF};
  Buffer<float> bx(x), back(x.size());
  Buffer<std::uint16_t> bits(x.size());
  expect_done(round_to_bf16(bx.data(), bits.data(), back.data(), static_cast<int>(x.size())));
  EXPECT_EQ(bits.values(), expected);
  for (std::size_t i = 0; i + 2 < x.size(); ++i) EXPECT_EQ(back[i], bf16_to_float(expected[i]));
}

TEST_P(Kernels, ThreadAndBlockIndices) {
  Buffer<int> out(12 * 24, -1);
  expect_done(thread_positions(out.data()));
  std::size_t at = 0;
  for (int bz = 0; bz < 2; ++bz)
    for (int by = 0; by < 3; ++by)
      for (int bx = 0; bx < 2; ++bx)
        for (int z = 0; z < 3; ++z)
          for (int y = 0; y < 2; ++y)
            for (int x = 0; x < 4; ++x) {
              ASSERT_EQ(out[at++], x + 10 * y + 100 * z + 1000 * bx + 10000 * by + 100000 * bz);
            }
}

TEST_P(Kernels, BlockSumsAreExactOnIntegers) {
  for (int n : {1, 31, 96, 97, 1001}) {
    const std::size_t rows = 3, width = static_cast<std::size_t>(n);
    const auto values = random_integers(rows * width, -1000, 1000, 5);
    Buffer<float> x(std::vector<float>(values.begin(), values.end())), sums(rows), maxima(rows);
    Buffer<double> x64(std::vector<double>(values.begin(), values.end())), sums64(rows);
    expect_done(row_sums(x.data(), sums.data(), 3, n));
    expect_done(row_sums(x64.data(), sums64.data(), 3, n));
    expect_done(row_maxima(x.data(), maxima.data(), 3, n));
    for (std::size_t r = 0; r < rows; ++r) {
      const auto begin = values.begin() + static_cast<std::ptrdiff_t>(r * width);
      const auto end = begin + n;
      EXPECT_EQ(sums[r], static_cast<float>(std::accumulate(begin, end, 0))) << n;
      EXPECT_EQ(sums64[r], std::accumulate(begin, end, 0)) << n;
      EXPECT_EQ(maxima[r], static_cast<float>(*std::max_element(begin, end))) << n;
    }
  }
}

TEST_P(Kernels, BlockSumHasAFixedOrder) {
  const int n = 1001;
  Buffer<float> x(random_floats(static_cast<std::size_t>(n), 6)), sum(1);
  expect_done(row_sums(x.data(), sum.data(), 1, n));
  // The documented order: strided partial sums, butterfly in the warp, warps ascending.
  std::vector<float> partial(96);
  for (std::size_t i = 0; i < x.size(); ++i) partial[i % 96] += x[i];
  float total = 0;
  for (std::size_t w = 0; w < 3; ++w) {
    float* lane = partial.data() + 32 * w;
    for (std::size_t step = 16; step > 0; step /= 2) {
      for (std::size_t l = 0; l < step; ++l) lane[l] += lane[l + step];
    }
    total = w == 0 ? lane[0] : total + lane[0];
  }
  EXPECT_EQ(sum[0], total);
}

TEST_P(Kernels, Shuffles) {
  const auto x = random_integers(32, -99, 99, 7);
  Buffer<int> in(x), out(96);
  expect_done(shuffles(in.data(), out.data()));
  for (std::size_t l = 0; l < 32; ++l) {
    EXPECT_EQ(out[l], x[(l + 5) % 32]);
    EXPECT_EQ(out[32 + l], x[l + 3 < 32 ? l + 3 : l]);
    EXPECT_EQ(out[64 + l], x[l ^ 9]);
  }
}

TEST_P(Kernels, IntegerAtomics) {
  const int bins = 7;
  const auto x = random_integers(1000, 0, bins - 1, 8);
  Buffer<int> in(x), counts(bins);
  expect_done(histogram(in.data(), counts.data(), 1000, bins));
  for (int b = 0; b < bins; ++b) {
    EXPECT_EQ(counts[static_cast<std::size_t>(b)], std::count(x.begin(), x.end(), b));
  }
}

TEST_P(Kernels, GemmIsExactOnIntegers) {
  const int shapes[][3] = {{16, 8, 16}, {32, 16, 32}, {1, 8, 8}, {37, 24, 40}, {65, 40, 104}};
  for (const auto& [m, n, k] : shapes) {
    const auto a = random_integers(static_cast<std::size_t>(m * k), -9, 9, 9);
    const auto b = random_integers(static_cast<std::size_t>(k * n), -9, 9, 10);
    Buffer<std::uint16_t> ba(bf16_of(a)), bb(bf16_of(b));
    Buffer<float> c(static_cast<std::size_t>(m * n), -1.0f);
    expect_done(gemm(ba.data(), bb.data(), c.data(), m, n, k));
    const auto expected = product(a, b, m, n, k);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(c[i], expected[i]) << i << " of " << m << "x" << n << "x" << k;
    }
  }
}

TEST_P(Kernels, FragmentsLieAsDocumented) {
  const int m = 32, n = 16, k = 48;
  const auto a = random_integers(static_cast<std::size_t>(m * k), -9, 9, 11);
  const auto b = random_integers(static_cast<std::size_t>(k * n), -9, 9, 12);
  Buffer<std::uint16_t> ba(bf16_of(a)), bb(bf16_of(b));
  Buffer<float> fa(std::vector<float>(a.begin(), a.end())),
      fb(std::vector<float>(b.begin(), b.end()));
  Buffer<float> c(static_cast<std::size_t>(m * n)), c32(c.size());
  expect_done(gemm_fragments(ba.data(), bb.data(), c.data(), m, n, k));
  expect_done(gemm_tf32(fa.data(), fb.data(), c32.data(), m, n, k));
  const auto expected = product(a, b, m, n, k);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(c[i], expected[i]) << i;
    ASSERT_EQ(c32[i], expected[i]) << i;
  }
}

TEST_P(Kernels, Tf32KeepsTenBitsOfFraction) {
  // 1 + 2^-11 is a tie, which rounds away from zero to 1 + 2^-10; a little less rounds to 1.
  const float tie = 1.0f + 0x1p-11f, below = std::nextafter(tie, 0.0f);
  Buffer<float> a(16 * 8, 0.0f), b(8 * 8, 0.0f), c(16 * 8, 0.0f);
  a[0] = tie;
  a[8] = below;
  b[0] = 1.0f;
  expect_done(gemm_tf32(a.data(), b.data(), c.data(), 16, 8, 8));
  EXPECT_EQ(c[0], 1.0f + 0x1p-10f);
  EXPECT_EQ(c[8], 1.0f);
}

TEST_P(Kernels, LdmatrixDistributesTiles) {
  Buffer<std::uint16_t> tiles(4 * 64);
  for (std::size_t i = 0; i < tiles.size(); ++i) tiles[i] = static_cast<std::uint16_t>(i + 300);
  Buffer<std::uint32_t> plain(128), transposed(128);
  expect_done(ldmatrix_tiles(tiles.data(), plain.data(), transposed.data()));
  for (std::size_t lane = 0; lane < 32; ++lane) {
    for (std::size_t m = 0; m < 4; ++m) {
      const auto at = [&](std::size_t row, std::size_t column) -> std::uint32_t {
        return tiles[64 * m + 8 * row + column];
      };
      const std::size_t g = lane / 4, t = lane % 4;
      EXPECT_EQ(plain[4 * lane + m], at(g, 2 * t) | at(g, 2 * t + 1) << 16);
      EXPECT_EQ(transposed[4 * lane + m], at(2 * t, g) | at(2 * t + 1, g) << 16);
    }
  }
}

TEST_P(Kernels, CorrectTwinsOfTheFaults) {
  using Entry = gpu::Status (*)(const float*, float*, Plant);
  const auto x = random_floats(64, 13);
  const auto run = [&](Entry entry, auto expected) {
    Buffer<float> in(x), out(x);
    expect_done(entry(in.data(), out.data(), Plant::nothing));
    for (std::size_t i = 0; i < 64; ++i) ASSERT_EQ(out[i], expected(i)) << i;
  };
  const auto same = [&](std::size_t i) { return x[i]; };
  const auto reversed = [&](std::size_t i) { return x[63 - i]; };
  run(shift, [&](std::size_t i) { return i > 0 ? x[i - 1] : 0.0f; });
  run(warp_shift, [&](std::size_t i) { return x[i ^ 1]; });
  run(reused_buffer, [&](std::size_t i) { return 2.0f * x[i]; });
  for (Entry entry : {static_overrun, dynamic_overrun, global_overrun, divergent_barrier,
                      early_return, misaligned, overlapping_blocks}) {
    run(entry, same);
  }
  for (Entry entry : {unwritten_static, unwritten_dynamic, copy_wait}) run(entry, reversed);
  run(mixed_warp_ops, [&](std::size_t i) {
    return *std::max_element(x.data() + i / 32 * 32, x.data() + i / 32 * 32 + 32);
  });
  run(weak_barrier, [&](std::size_t i) { return x[i % 32]; });
  run(ldmatrix_sync, [&](std::size_t i) { return x[i]; });
  run(partial_mask, [&](std::size_t i) { return x[i ^ 1]; });
  run(in_place_stencil, [&](std::size_t i) { return x[i] + x[(i + 63) % 64]; });
  Buffer<int> count(1, 0);
  expect_done(plain_counter(count.data(), Plant::nothing));
  EXPECT_EQ(count[0], 128);
}

TEST_P(Kernels, LastBlockAddsPartialSums) {
  Buffer<float> x(64), partial(4), total(1);
  Buffer<int> arrived(1, 0);
  for (std::size_t i = 0; i < 64; ++i) x[i] = static_cast<float>(i);
  expect_done(
      last_block_sum(x.data(), partial.data(), arrived.data(), total.data(), Plant::nothing));
  EXPECT_EQ(total[0], 2016.0f);
}

#ifdef ITO_TEST_EMULATOR
INSTANTIATE_TEST_SUITE_P(Order, Kernels, testing::Values(0, 1, 2, 77));
#else
INSTANTIATE_TEST_SUITE_P(Order, Kernels, testing::Values(0));
#endif

}  // namespace
}  // namespace ito::ITO_GPU_NS
