// Accesses outside of memory, which only AddressSanitizer sees: each ends a child process.
#include <gtest/gtest.h>

#include "tests/emulator/buffer.h"

namespace ito::ITO_GPU_NS {
namespace {

using Entry = gpu::Status (*)(const float*, float*, Plant);

bool runs(Entry entry, Plant plant) {
  Buffer<float> x(64, 1.0f), y(64, 0.0f);
  return entry(x.data(), y.data(), plant).ok();
}

TEST(AsanDeathTest, StaticSharedOffByOne) {
  EXPECT_TRUE(runs(static_overrun, Plant::nothing));
  // The second text is from UndefinedBehaviorSanitizer, where it comes first.
  EXPECT_DEATH(runs(static_overrun, Plant::fault), "global-buffer-overflow|index 64 out of bounds");
}

TEST(AsanDeathTest, DynamicSharedOffByOne) {
  EXPECT_TRUE(runs(dynamic_overrun, Plant::nothing));
  EXPECT_DEATH(runs(dynamic_overrun, Plant::fault), "heap-buffer-overflow");
}

TEST(AsanDeathTest, GlobalOffByOne) {
  EXPECT_TRUE(runs(global_overrun, Plant::nothing));
  EXPECT_DEATH(runs(global_overrun, Plant::fault), "heap-buffer-overflow");
}

}  // namespace
}  // namespace ito::ITO_GPU_NS
