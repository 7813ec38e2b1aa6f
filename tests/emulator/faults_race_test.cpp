// Planted faults that the race check must report, whatever the order; their correct twins report 0.
#include <gtest/gtest.h>

#include <string>

#include "kernels/common/emulator/emulator.h"
#include "tests/emulator/buffer.h"

namespace ito::ITO_GPU_NS {
namespace {

namespace emu = gpu::emu;
using Entry = gpu::Status (*)(const float*, float*, Plant);

std::string first_report(Entry entry, Plant plant, std::uint64_t seed) {
  Buffer<float> x(64, 1.0f), y(64, 0.0f);
  emu::reset();
  emu::config().seed = seed;
  static_cast<void>(entry(x.data(), y.data(), plant));
  emu::config().seed = 0;
  const emu::Stats& s = emu::stats();
  EXPECT_EQ(s.races == 0, s.race_reports.empty());
  return s.race_reports.empty() ? "" : s.race_reports.front();
}

void expect_report(Entry entry, const std::string& kernel, const std::string& text) {
  for (std::uint64_t seed : {0, 1, 2, 3}) {
    EXPECT_EQ(first_report(entry, Plant::nothing, seed), "");
    const std::string report = first_report(entry, Plant::fault, seed);
    EXPECT_NE(report.find(text), std::string::npos) << report;
    EXPECT_EQ(report.rfind("kernel ito::emulated::" + kernel, 0), 0u) << report;
  }
}

TEST(Races, MissingBarrier) {
  // In ascending order the first conflict is fixed, so the whole report is.
  const std::string report = first_report(shift, Plant::fault, 0);
  EXPECT_EQ(
      report,
      "kernel ito::emulated::shift_kernel<(ito::emulated::Plant)1>, block (0,0,0), "
      "thread (1,0,0): reads dynamic shared memory +0, which thread 0 wrote without a barrier "
      "in between");
  EXPECT_EQ(first_report(shift, Plant::nothing, 0), "");
  expect_report(reused_buffer, "reused_buffer_kernel", "without a barrier in between");
}

TEST(Races, WriteWhileOthersStillRead) {
  for (int other : {0, 33}) {  // in another warp, in the same warp
    Buffer<float> x(64, 1.0f), y(64, 0.0f);
    emu::reset();
    EXPECT_TRUE(early_overwrite(x.data(), y.data(), other, Plant::nothing).ok());
    EXPECT_EQ(emu::stats().races, 0u);
    EXPECT_TRUE(early_overwrite(x.data(), y.data(), other, Plant::fault).ok());
    ASSERT_EQ(emu::stats().races, 1u);
    EXPECT_EQ(
        emu::stats().race_reports.front(),
        "kernel ito::emulated::early_overwrite_kernel<(ito::emulated::Plant)1>, block (0,0,0), "
        "thread (62,0,0): writes dynamic shared memory +0, which several threads read without "
        "a barrier in between");
  }
}

TEST(Races, WarpBarrierInPlaceOfABlockBarrier) {
  // In ascending order the first warp has written; otherwise the second may even come before it.
  const std::string report = first_report(weak_barrier, Plant::fault, 0);
  EXPECT_NE(report.find("without a barrier in between"), std::string::npos) << report;
  expect_report(weak_barrier, "weak_barrier_kernel", "reads dynamic shared memory");
}

TEST(Races, MissingWarpBarrier) {
  expect_report(warp_shift, "warp_shift_kernel", "without a barrier in between");
  expect_report(ldmatrix_sync, "ldmatrix_sync_kernel", "without a barrier in between");
}

TEST(Races, ReadOfUnwrittenShared) {
  expect_report(unwritten_static, "unwritten_static_kernel", "which this block never wrote");
  expect_report(unwritten_dynamic, "unwritten_dynamic_kernel",
                "reads dynamic shared memory +252, which this block never wrote");
}

TEST(Races, CopyReadTooEarly) {
  expect_report(copy_wait, "copy_kernel", "before the cp_wait of its copy");
  expect_report(copy_wait_early, "copy_kernel", "before the cp_wait of its copy");
}

TEST(Races, CopyWithoutBarrier) {
  for (std::uint64_t seed : {0, 1, 2, 3}) {
    EXPECT_NE(first_report(copy_wait_barrier, Plant::fault, seed), "");
    EXPECT_EQ(first_report(copy_wait_barrier, Plant::nothing, seed), "");
  }
}

TEST(Races, TwoBlocksWriteOneWord) {
  expect_report(overlapping_blocks, "overlapping_blocks_kernel", "of this launch wrote");
}

TEST(Races, BlockReadsWhatAnotherWrote) {
  expect_report(in_place_stencil, "in_place_stencil_kernel", "reads global memory");
}

TEST(Races, BlockReadsPartialSumsWithoutFence) {
  Buffer<float> x(64, 1.0f), partial(4), total(1);
  for (Plant plant : {Plant::nothing, Plant::fault}) {
    Buffer<int> arrived(1, 0);
    emu::reset();
    EXPECT_TRUE(last_block_sum(x.data(), partial.data(), arrived.data(), total.data(), plant).ok());
    EXPECT_EQ(emu::stats().races, plant == Plant::fault ? 3u : 0u);
  }
}

TEST(Races, PlainIncrementOfASharedCounter) {
  for (Plant plant : {Plant::nothing, Plant::fault}) {
    Buffer<int> count(1, 0);
    emu::reset();
    EXPECT_TRUE(plain_counter(count.data(), plant).ok());
    EXPECT_EQ(emu::stats().races > 0, plant == Plant::fault);
  }
}

TEST(Races, ReportsAreCappedButCounted) {
  emu::reset();
  for (int i = 0; i < 2; ++i) {
    Buffer<float> x(64, 1.0f), y(64, 0.0f);
    static_cast<void>(shift(x.data(), y.data(), Plant::fault));
  }
  EXPECT_EQ(emu::stats().races, 126u);  // 63 reads per launch
  EXPECT_EQ(emu::stats().race_reports.size(), 32u);
  EXPECT_TRUE(emu::checks_races());
}

}  // namespace
}  // namespace ito::ITO_GPU_NS
