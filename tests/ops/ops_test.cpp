// Runs the table: every op x sample x dtype on one device, and counts the cells.
//   ops_test [--device=cpu|emulated|cuda] [--isa=avx2] [--report=file.json] [gtest flags]
// The report has a line for each op, check and dtype: cells, failures, largest error over its
// limit.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <functional>
#include <map>

#include "engine/autograd/call.h"
#include "engine/cuda/runtime.h"
#include "hwy/highway.h"
#include "kernels/common/op_table.h"
#include "tests/ops/cell_checks.h"
#include "tests/support/samples.h"
#ifdef ITO_TEST_EMULATOR
#include "kernels/common/emulator/emulator.h"
#endif

namespace ito::testing {
namespace {

std::map<std::string, int> cells_run;  // per kind of check
std::FILE* report = nullptr;
int cells_too_large = 0;  // left out on the emulated device

constexpr int kSkipped = 77;  // exit code: there is no such device here

constexpr int64_t kLargestEmulated = 150000;  // elements of all inputs; keeps the race check short

int64_t elements_of(const Sample& sample) {
  int64_t count = 0;
  for (const InputInit& input : sample.inputs) {
    count += input.kind == InputInit::Kind::absent ? 0 : input.shape.numel();
  }
  return count;
}

using Check = std::function<std::string(const Cell&)>;

class CellsOfOp : public ::testing::Test {
 public:
  CellsOfOp(const OpInfo& op, DType dtype, Device device, std::string what, Check check,
            bool gradients)
      : op_(op),
        dtype_(dtype),
        device_(device),
        what_(std::move(what)),
        check_(std::move(check)),
        gradients_(gradients) {}

  void TestBody() override {
    int cells = 0, failures = 0;
    double worst = 0;
    for (const Sample& sample : op_.samples()) {
      if (gradients_ && !sample.gradients) continue;
      if (device_.kind == DeviceKind::emulated && elements_of(sample) > kLargestEmulated) {
        ++cells_too_large;
        continue;
      }
      SCOPED_TRACE(sample.id);
      ++cells_run[what_];
      ++cells;
      try {
        const std::string problem = check_({op_, sample, dtype_, device_, &worst});
        failures += problem.empty() ? 0 : 1;
        EXPECT_TRUE(problem.empty()) << op_.name << "/" << sample.id << "/" << name_of(dtype_)
                                     << "/" << to_string(device_) << ": " << problem;
      } catch (const std::exception& e) {
        ++failures;
        ADD_FAILURE() << op_.name << "/" << sample.id << "/" << name_of(dtype_) << ": " << e.what();
      }
    }
    if (report == nullptr) return;
    std::fprintf(report,
                 "{\"op\": \"%s\", \"check\": \"%s\", \"dtype\": \"%s\", \"cells\": %d, "
                 "\"failures\": %d, \"worst\": %.3g}\n",
                 std::string(op_.name).c_str(), what_.c_str(), std::string(name_of(dtype_)).c_str(),
                 cells, failures, worst);
  }

 private:
  const OpInfo& op_;
  DType dtype_;
  Device device_;
  std::string what_;
  Check check_;
  bool gradients_;
};

class ErrorsOfOp : public ::testing::Test {
 public:
  ErrorsOfOp(const OpInfo& op, Device device) : op_(op), device_(device) {}
  void TestBody() override {
    for (const ErrorSample& error : op_.errors()) {
      ++cells_run["error"];
      const std::string problem = check_error(op_, error, device_);
      EXPECT_TRUE(problem.empty()) << op_.name << "/" << error.sample.id << ": " << problem;
    }
  }

 private:
  const OpInfo& op_;
  Device device_;
};

/// Shape-rich ops: at least twelve samples, among them one without elements.
bool is_structured(std::string_view op) {
  for (const char* name :
       {"conv2d", "conv2d_dx", "conv2d_dw", "matmul", "group_norm_silu", "attention",
        "fir_resample", "softmax", "langevin_step", "affine_noise_step"}) {
    if (op == name) return true;
  }
  return false;
}

class TableIsComplete : public ::testing::Test {
 public:
  void TestBody() override {
    EXPECT_GE(op_table().size(), 5u);
    for (const OpInfo* op : op_table()) {
      const Samples samples = op->samples();
      EXPECT_FALSE(samples.empty()) << op->name << " has no samples";
      EXPECT_FALSE(op->errors().empty()) << op->name << " has no error samples";
      EXPECT_TRUE(op->reference != nullptr) << op->name;
      EXPECT_TRUE(op->kind == OpKind::fused || op->forward || op->shares_input) << op->name;
      bool zero_size = false;
      std::map<std::string, int> ids;
      for (const Sample& s : samples) {
        EXPECT_EQ(++ids[s.id], 1) << op->name << " repeats sample " << s.id;
        for (const InputInit& i : s.inputs) {
          zero_size |= i.kind != InputInit::Kind::absent && i.shape.numel() == 0;
        }
      }
      EXPECT_TRUE(zero_size) << op->name << " has no sample without elements";
      if (is_structured(op->name)) {
        EXPECT_GE(samples.size(), 12u) << op->name;
      }
    }
  }
};

void register_cells(const OpInfo& op, DType dtype, Device device, const char* what, Check check,
                    bool gradients) {
  const std::string name =
      std::string(what) + "_" + std::string(name_of(dtype)) + "_" + to_string(device);
  ::testing::RegisterTest(std::string(op.name).c_str(), name.c_str(), nullptr, nullptr, __FILE__,
                          __LINE__,
                          [&op, dtype, device, what, check, gradients]() -> ::testing::Test* {
                            return new CellsOfOp(op, dtype, device, what, check, gradients);
                          });
}

void register_op(const OpInfo& op, Device device) {
  const bool differentiable = op.kind != OpKind::constant;
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
    if (device.kind != DeviceKind::cpu && dtype == DType::f64) continue;  // no GPU kernel is fp64
    register_cells(op, dtype, device, "forward", check_forward, false);
    if (differentiable) register_cells(op, dtype, device, "gradient", check_gradient, true);
    register_cells(op, dtype, device, "determinism", check_determinism, false);
    if (device.kind != DeviceKind::cpu && op.kind == OpKind::constant) {
      register_cells(op, dtype, device, "bits_of_cpu", check_bits_of_cpu, false);
    }
  }
  if (differentiable && device.kind == DeviceKind::cpu) {
    register_cells(op, DType::f64, device, "gradcheck", check_gradient_by_differences, true);
    register_cells(op, DType::f64, device, "gradgradcheck", check_second_gradient_by_differences,
                   true);
  }
  ::testing::RegisterTest(
      std::string(op.name).c_str(), "errors", nullptr, nullptr, __FILE__, __LINE__,
      [&op, device]() -> ::testing::Test* { return new ErrorsOfOp(op, device); });
}

void print_summary(Device device) {
  int total = 0;
  std::string parts;
  for (const auto& [what, count] : cells_run) {
    total += count;
    parts += (parts.empty() ? "" : ", ") + what + " " + std::to_string(count);
  }
  std::printf("cells on %s: %d (%s)\n", to_string(device).c_str(), total, parts.c_str());
  if (device.kind == DeviceKind::cpu) return;
  std::printf(
      "cells on %s left out, since the emulator is slow: %d of samples above %lld elements\n",
      to_string(device).c_str(), cells_too_large, static_cast<long long>(kLargestEmulated));
  int64_t kernel = 0, fallback = 0;
  std::string without;
  for (const OpInfo* op : op_table()) {
    const ExecutionCounts c = execution_counts(*op, device.kind);
    kernel += c.kernel;
    fallback += c.cpu_fallback + c.reference_fallback;
    if (c.kernel == 0) without += " " + std::string(op->name);
  }
  std::printf("executions on %s: %lld by its kernels, %lld by fallback; ops without a kernel:%s\n",
              to_string(device).c_str(), static_cast<long long>(kernel),
              static_cast<long long>(fallback), without.empty() ? " none" : without.c_str());
}

/// Whether the emulator saw no race; prints the first ones.
bool no_races() {
#ifdef ITO_TEST_EMULATOR
  const gpu::emu::Stats& stats = gpu::emu::stats();
  for (const std::string& race : stats.race_reports) std::printf("race: %s\n", race.c_str());
  std::printf("launches: %llu, races: %llu\n", static_cast<unsigned long long>(stats.launches),
              static_cast<unsigned long long>(stats.races));
  return stats.races == 0;
#else
  return true;
#endif
}

}  // namespace
}  // namespace ito::testing

int main(int argc, char** argv) {
  using namespace ito;
  using namespace ito::testing;
  ::testing::InitGoogleTest(&argc, argv);
  Device device = kCpu;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--device=emulated") == 0) device = kEmulated;
    if (std::strcmp(argv[i], "--device=cuda") == 0) device = {DeviceKind::cuda, 0};
    if (std::strncmp(argv[i], "--report=", 9) == 0) report = std::fopen(argv[i] + 9, "w");
    if (std::strcmp(argv[i], "--isa=avx2") == 0) hwy::DisableTargets(HWY_AVX3 | HWY_AVX3_DL);
  }
  if (!is_available(device)) {
    std::printf("no usable GPU: %s\n", cuda::unavailable_reason().c_str());
    return kSkipped;
  }
  ::testing::RegisterTest("table", "is_complete", nullptr, nullptr, __FILE__, __LINE__,
                          []() -> ::testing::Test* { return new TableIsComplete; });
  int ops = 0;
  for (const OpInfo* op : op_table()) {
    // On another device only ops with a kernel of their own are of interest.
    const GpuKernels& kernels = device.kind == DeviceKind::cuda ? op->cuda : op->emulated;
    if (device.kind != DeviceKind::cpu && kernels.forward == nullptr) continue;
    register_op(*op, device);
    ++ops;
  }
  if (ops == 0) {
    std::printf("no op has a kernel for %s in this build\n", to_string(device).c_str());
    return 1;
  }
  const int result = RUN_ALL_TESTS();
  print_summary(device);
  if (report != nullptr) std::fclose(report);
  if (device.kind == DeviceKind::emulated && !no_races()) return 1;
  return result;
}
