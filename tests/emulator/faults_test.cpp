// Planted faults: each must be caught, by the check that this variant of the emulator has.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <set>
#include <string>
#include <thread>

#include "kernels/common/emulator/emulator.h"
#include "kernels/common/emulator/machine.h"
#include "tests/emulator/buffer.h"

namespace ito::ITO_GPU_NS {
namespace {

namespace emu = gpu::emu;
using Entry = gpu::Status (*)(const float*, float*, Plant);

struct Outcome {
  gpu::Status status;
  std::string message;  // of the status
  std::vector<float> y;
  std::uint64_t races;
  std::string report;  // the first race
};

/// Runs on x = 1, 2, ..., 64, with 64 values of y, both on the heap.
Outcome run(Entry entry, Plant plant, std::uint64_t seed = 0) {
  Buffer<float> x(64), y(64);
  for (std::size_t i = 0; i < 64; ++i) x[i] = y[i] = static_cast<float>(i + 1);
  emu::reset();
  emu::config().seed = seed;
  const gpu::Status status = entry(x.data(), y.data(), plant);
  emu::config().seed = 0;
  const emu::Stats& s = emu::stats();
  return {status, status.message, y.values(), s.races,
          s.race_reports.empty() ? "" : s.race_reports.front()};
}

/// How many of some orders give another result than the correct twin.
int wrong_orders(Entry entry) {
  const std::vector<float> right = run(entry, Plant::nothing).y;
  int wrong = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed)
    wrong += run(entry, Plant::fault, seed).y != right;
  return wrong;
}

void expect_status(Entry entry, const std::string& text) {
  EXPECT_TRUE(run(entry, Plant::nothing).status.ok());
  for (std::uint64_t seed : {0, 1, 2}) {
    const Outcome outcome = run(entry, Plant::fault, seed);
    EXPECT_FALSE(outcome.status.ok());
    EXPECT_NE(outcome.message.find(text), std::string::npos) << outcome.message;
    EXPECT_TRUE(run(entry, Plant::nothing).status.ok()) << "the next launch is sound again";
  }
}

TEST(Faults, MissingBarrierShowsInSomeOrder) {
  EXPECT_EQ(run(shift, Plant::fault).y, run(shift, Plant::nothing).y) << "right by luck";
  EXPECT_EQ(wrong_orders(shift), 8);
  EXPECT_EQ(wrong_orders(reused_buffer), 8);
}

TEST(Faults, DivergentBarrierNamesKernelBlockAndCounts) {
  expect_status(divergent_barrier,
                "kernel ito::emulated::divergent_barrier_kernel<(ito::emulated::Plant)1>, "
                "block (0,0,0): __syncthreads reached by 40 of 64 threads; ");
  expect_status(early_return, "__syncthreads reached by 40 of 64 threads; 24 threads have ended");
}

TEST(Faults, DivergentWarpOperation) {
  expect_status(divergent_shuffle, "a shuffle of warp 0 reached by 16 of 32 lanes; ");
  expect_status(mixed_warp_ops, "lanes of warp");
  expect_status(partial_mask, "partial mask 0000ffff");
}

TEST(Faults, MissingCopyWait) {
  expect_status(copy_wait, "cp_async16 copies never waited for");
  for (Entry entry : {copy_wait, copy_wait_early}) {
    const Outcome outcome = run(entry, Plant::fault);
    const auto poisoned = [](float v) { return std::isnan(v); };
    EXPECT_TRUE(std::any_of(outcome.y.begin(), outcome.y.end(), poisoned)) << "reads no poison";
  }
  EXPECT_GT(wrong_orders(copy_wait_barrier), 0);
}

TEST(Faults, PoisonShowsUnwrittenDynamicShared) {
  EXPECT_TRUE(std::isnan(run(unwritten_dynamic, Plant::fault).y[0]));
  EXPECT_EQ(run(unwritten_dynamic, Plant::nothing).y[0], 64.0f);
}

TEST(Faults, WriteBehindDynamicShared) {
  if (emu::checks_addresses()) GTEST_SKIP() << "AddressSanitizer reports it (faults_asan_test)";
  expect_status(dynamic_overrun, "wrote to byte 256 of 256 bytes of dynamic shared memory");
}

TEST(Faults, MisalignedVectorAccess) { expect_status(misaligned, "misaligned access"); }

TEST(Faults, WrongLaunches) {
  EXPECT_TRUE(empty_launch(3, 1024, 227 * 1024).ok());
  EXPECT_STREQ(empty_launch(1, 1025, 0).message, "more than 1024 threads, or 64 in z, per block");
  EXPECT_STREQ(emu::run_grid({1, emu::dim3(1, 1, 65), 0, nullptr, nullptr, nullptr}).message,
               "more than 1024 threads, or 64 in z, per block");
  EXPECT_STREQ(emu::run_grid({emu::dim3(1, 65536), 1, 0, nullptr, nullptr, nullptr}).message,
               "grid too large");
  Buffer<float> x(64), y(64);
  const std::string message = shift_without_memory(x.data(), y.data()).message;
  EXPECT_NE(message.find("launched with 0 bytes"), std::string::npos) << message;
  EXPECT_STREQ(empty_launch(1, 32, 227 * 1024 + 1).message,
               "more than 227 KiB of shared memory per block");
  EXPECT_STREQ(empty_launch(0, 32, 0).message, "empty grid or block");
  EXPECT_STREQ(empty_launch(1, 0, 0).message, "empty grid or block");
}

TEST(Faults, LaunchInsideAKernel) {
  static gpu::Status inner;
  const auto nested = [](void*) {
    inner = emu::run_grid({1, 1, 0, [](void*) {}, nullptr, nullptr});
  };
  EXPECT_TRUE(emu::run_grid({1, 1, 0, nested, nullptr, nullptr}).ok());
  EXPECT_STREQ(inner.message, "a kernel of the emulator launched another one");
}

TEST(Machine, SwitchesOnlyToWait) {
  Buffer<float> x(1000, 1.0f), y(1000, 1.0f), sum(2);
  emu::reset();
  ASSERT_TRUE(axpy(2.0f, x.data(), y.data(), 1000).ok());
  EXPECT_EQ(emu::stats().launches, 1u);
  EXPECT_EQ(emu::stats().switches, 0u);
  ASSERT_TRUE(row_sums(x.data(), sum.data(), 2, 500).ok());
  EXPECT_EQ(emu::stats().launches, 2u);
  EXPECT_GT(emu::stats().switches, 0u);
}

TEST(Machine, TheSeedDecidesTheOrder) {
  std::set<std::vector<float>> results;
  for (std::uint64_t seed : {1, 2, 3, 4, 5, 6, 7, 8}) {
    const std::vector<float> y = run(in_place_stencil, Plant::fault, seed).y;
    EXPECT_EQ(run(in_place_stencil, Plant::fault, seed).y, y);
    results.insert(y);
  }
  EXPECT_GT(results.size(), 1u);
}

TEST(Machine, ConfigurationFromTheEnvironment) {
  setenv("ITO_EMU_SEED", "12", 1);
  setenv("ITO_EMU_POISON", "0", 1);
  EXPECT_EQ(emu::environment_config().seed, 12u);
  EXPECT_FALSE(emu::environment_config().poison);
  unsetenv("ITO_EMU_SEED");
  unsetenv("ITO_EMU_POISON");
  EXPECT_EQ(emu::environment_config().seed, 0u);
  EXPECT_TRUE(emu::environment_config().poison);
}

TEST(Machine, HostThreadsTakeTurns) {
  std::vector<std::thread> hosts;
  std::array<int, 4> wrong{};
  for (std::size_t h = 0; h < wrong.size(); ++h) {
    hosts.emplace_back([&wrong, h] {
      Buffer<float> x(300, static_cast<float>(h)), sum(1);
      for (int i = 0; i < 50; ++i) {
        const bool ok = row_sums(x.data(), sum.data(), 1, 300).ok();
        wrong[h] += !ok || sum[0] != 300.0f * static_cast<float>(h);
      }
    });
  }
  for (std::thread& host : hosts) host.join();
  EXPECT_EQ(wrong, (std::array<int, 4>{}));
}

}  // namespace
}  // namespace ito::ITO_GPU_NS
