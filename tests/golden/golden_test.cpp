// golden_runner's own judgement: an error rule that passes everything would pass a broken network.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "tools/golden/case_run.h"

namespace ito::golden {
namespace {

namespace fs = std::filesystem;

class GoldenTest : public ::testing::Test {
 protected:
  GoldenTest()
      : folder_(fs::temp_directory_path() /
                ("ito_golden_" + std::to_string(getpid()) + "_" +
                 ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::create_directories(folder_);
  }
  ~GoldenTest() override { fs::remove_all(folder_); }

  const fs::path folder_;
};

Tensor row(const std::vector<double>& values) {
  return Tensor::from(values, {static_cast<int64_t>(values.size())});
}

Case case_with(const std::string& name, const Tensor& array) {
  Case c;
  c.arrays.tensors.emplace_back(name, array);
  return c;
}

Tensor f32_row(const std::vector<float>& values) {
  return Tensor::from(values, {static_cast<int64_t>(values.size())});
}

TEST_F(GoldenTest, ErrorIsRelativeL2) {
  const Case c = case_with("output.y", f32_row({3, 4, 0}));
  CaseRun run(c, {});
  run.expect("output.y", row({3, 4, 0.5}), 1e-4);
  ASSERT_EQ(run.errors().size(), 1u);
  EXPECT_DOUBLE_EQ(run.errors()[0].error, 0.1);  // 0.5 / |(3, 4, 0)|
  EXPECT_EQ(run.errors()[0].limit, 1e-4);
}

TEST_F(GoldenTest, ErrorAgainstZerosIsAbsolute) {
  const Case c = case_with("output.y", f32_row({0, 0}));
  CaseRun run(c, {});
  run.expect("output.y", row({3e-3, 4e-3}), 1e-4);
  EXPECT_DOUBLE_EQ(run.errors()[0].error, 5e-3);
}

TEST_F(GoldenTest, NotANumberIsAnInfiniteError) {
  const Case c = case_with("output.y", f32_row({1, 2}));
  CaseRun run(c, {});
  run.expect("output.y", row({1, std::numeric_limits<double>::quiet_NaN()}), 1e-4);
  EXPECT_TRUE(std::isinf(run.errors()[0].error));
}

TEST_F(GoldenTest, Fp64IsHeldAgainstTheTwin) {
  Case c = case_with("output.y", f32_row({1.5f, 0.1f}));
  c.arrays.tensors.emplace_back("output.y.f64", row({1.5, 0.1}));
  CaseRun fp64(c, {.precision = Precision::fp64});
  fp64.expect("output.y", row({1.5, 0.1}), 1e-4);
  EXPECT_EQ(fp64.errors()[0].error, 0.0);
  EXPECT_EQ(fp64.errors()[0].limit, 1e-9);
  CaseRun fp32(c, {});
  fp32.expect("output.y", row({1.5, 0.1}), 1e-4);
  EXPECT_GT(fp32.errors()[0].error, 0.0);  // 0.1 is not an f32
  EXPECT_EQ(fp32.errors()[0].limit, 1e-4);
}

TEST_F(GoldenTest, Fp64WithoutTwinKeepsTheFp32Limit) {
  const Case c = case_with("output.y", f32_row({1.5f}));
  CaseRun run(c, {.precision = Precision::fp64});
  run.expect("output.y", row({1.5}), 1e-4);
  EXPECT_EQ(run.errors()[0].limit, 1e-4);
}

TEST_F(GoldenTest, OtherShapeIsRefused) {
  const Case c = case_with("output.y", f32_row({1, 2}));
  CaseRun run(c, {});
  EXPECT_THROW(run.expect("output.y", Tensor::zeros({2, 1}, DType::f32), 1), UserError);
  EXPECT_THROW(run.expect("output.y", row({1}), 1), UserError);
}

TEST_F(GoldenTest, ResultsThatNobodyComparedAreUnknown) {
  for (const char* name : {"output.new", "grad.w", "after.w", "ema.w", "loss", "grad_input.x"}) {
    const Case c = case_with(name, f32_row({1}));
    CaseRun run(c, {});
    EXPECT_THROW(run.check_complete(), Unknown) << name;
    run.expect(name, row({1}), 1);
    EXPECT_NO_THROW(run.check_complete()) << name;
  }
  const Case inputs = case_with("input.x", f32_row({1}));
  EXPECT_NO_THROW(CaseRun(inputs, {}).check_complete());
}

TEST_F(GoldenTest, JsonBesideTheFileGoesBeforeItsMetadata) {
  const fs::path file = folder_ / "model_x.safetensors";
  write_safetensors(file, {{"loss", f32_row({1})}},
                    {{"category", "sde"},
                     {"info", R"({"N": 7, "eps": 1e-5, "sde": "vp", "notes": null})"},
                     {"config", R"({"model": {"fir": true, "ch_mult": [1, 2]}})"}});
  const Case inside = read_case(file);
  EXPECT_EQ(inside.category, "sde");
  EXPECT_EQ(inside.number("info.N", 0), 7);
  EXPECT_EQ(inside.number("info.eps", 0), 1e-5);
  EXPECT_EQ(inside.text("info.sde", ""), "vp");
  EXPECT_TRUE(inside.flag("model.fir", false));
  EXPECT_EQ(inside.number("info.notes", -1), -1);
  std::ofstream(folder_ / "model_x.json")
      << R"({"info": {"N": 9}, "fp32_vs_fp64": {"loss": {"rel_l2": 0.25},
             "grad.b": {"exactly_zero_in_theory": true}}})";
  const Case beside = read_case(file);
  EXPECT_EQ(beside.category, "model");  // from the name
  EXPECT_EQ(beside.number("info.N", 0), 9);
  EXPECT_EQ(beside.relative_error("loss"), 0.25);
  EXPECT_TRUE(beside.zero_in_theory("grad.b"));
  EXPECT_FALSE(beside.zero_in_theory("loss"));
}

/// Runs one of the project's own cases, with element 0 of an array changed by `change`.
std::vector<ArrayError> run_changed(const std::string& array, double change) {
  Case c = read_case(fs::path(ITO_OWN_CASES) / "model_own_ncsnpp_ve.safetensors");
  for (auto& [name, tensor] : c.arrays.tensors) {
    if (name != array) continue;
    dispatch_float(tensor.dtype(), "test", [&]<class T>() {
      tensor.data<T>()[0] = T(static_cast<double>(tensor.data<T>()[0]) + change);
    });
  }
  CaseRun run(c, {});
  run_model(run);
  return run.errors();
}

int failures(const std::vector<ArrayError>& errors) {
  return static_cast<int>(
      std::ranges::count_if(errors, [](const ArrayError& e) { return !(e.error <= e.limit); }));
}

TEST_F(GoldenTest, ChangedResultsFail) {
  EXPECT_EQ(failures(run_changed("", 0)), 0);
  for (const char* array : {"output.y", "output.score", "loss", "grad_input.x",
                            "grad.all_modules.1.weight", "grad.all_modules.4.Conv_0.weight"}) {
    EXPECT_EQ(failures(run_changed(array, 100)), 1) << array;
  }
}

TEST_F(GoldenTest, ChangedParametersFail) {
  for (const char* array : {"all_modules.0.W", "all_modules.3.bias"}) {
    EXPECT_GT(failures(run_changed(array, 0.01)), 10) << array;
  }
}

TEST_F(GoldenTest, UnsupportedNetworkIsUnknown) {
  Case c = read_case(fs::path(ITO_OWN_CASES) / "model_own_ncsnpp_ve.safetensors");
  c.settings["model.name"] = std::string("wideresnet");
  CaseRun run(c, {});
  EXPECT_THROW(run_model(run), Unknown);
}

}  // namespace
}  // namespace ito::golden
