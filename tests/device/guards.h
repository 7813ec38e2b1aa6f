// What a loop on a device must do without: the host, new memory, the CPU's kernels.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "engine/autograd/call.h"
#include "engine/core/allocator.h"
#include "engine/cuda/stream.h"
#include "kernels/common/op_table.h"
#include "samplers/sampler.h"

namespace ito::testing {

/// The emulated device has the CPU's kernels to fall back on, a GPU has not: while one is alive,
/// every op has a kernel of the device.
class KernelsAlone {
 public:
  explicit KernelsAlone(Device device) : device_(device), before_(fallbacks()) {}
  ~KernelsAlone() { EXPECT_EQ(fallbacks(), before_); }
  KernelsAlone(const KernelsAlone&) = delete;
  KernelsAlone& operator=(const KernelsAlone&) = delete;

 private:
  std::map<std::string, int64_t> fallbacks() const {
    std::map<std::string, int64_t> list;
    for (const OpInfo* op : op_table()) {
      const int64_t count = execution_counts(*op, device_.kind).cpu_fallback;
      if (count > 0) list[std::string(op->name)] = count;
    }
    return list;
  }

  const Device device_;
  const std::map<std::string, int64_t> before_;
};

/// Forbids waiting and allocating between the end of the second step and that of the last.
class Guards {
 public:
  explicit Guards(int steps) : steps_(steps) {}

  samplers::Observer observer() {
    return [this](const samplers::StepView& v) {
      if (no_wait_) ++guarded_;
      if (v.step == 1) {
        no_wait_.emplace();
        no_allocation_.emplace();
      }
      if (v.step == steps_ - 1) {
        no_allocation_.reset();
        no_wait_.reset();
      }
      return samplers::Verdict::go_on;
    };
  }
  int guarded() const { return guarded_; }

 private:
  const int steps_;
  int guarded_ = 0;
  std::optional<cuda::NoSyncScope> no_wait_;
  std::optional<NoAllocScope> no_allocation_;
};

}  // namespace ito::testing
