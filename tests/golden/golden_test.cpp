// golden_runner's own judgement: an error rule that passes everything would pass a broken network.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "engine/autograd/autograd.h"
#include "kernels/cast/op.h"
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

Case own_case(const std::string& name) {
  return read_case(fs::path(ITO_OWN_CASES) / (name + ".safetensors"));
}

/// Adds `change` to element 0 of an array.
void change_array(Case& c, const std::string& array, double change) {
  for (auto& entry : c.arrays.tensors) {
    if (entry.first != array) continue;
    Tensor& tensor = entry.second;
    dispatch_float(tensor.dtype(), "test", [&]<class T>() {
      tensor.data<T>()[0] = T(static_cast<double>(tensor.data<T>()[0]) + change);
    });
  }
}

/// Runs one of the project's own cases with a changed array.
std::vector<ArrayError> run_changed(const std::string& array, double change) {
  Case c = own_case("model_own_ncsnpp_ve");
  change_array(c, array, change);
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
  Case c = own_case("model_own_ncsnpp_ve");
  c.settings["model.name"] = std::string("wideresnet");
  CaseRun run(c, {});
  EXPECT_THROW(run_model(run), Unknown);
}

std::vector<ArrayError> run_layers(const Case& c, Precision precision = Precision::fp32) {
  CaseRun run(c, {.precision = precision});
  run_layer(run);
  return run.errors();
}

TEST_F(GoldenTest, LayersPassAndNameTheirSubCase) {
  const Case c = own_case("layer_own");
  for (const Precision precision : {Precision::fp32, Precision::fp64}) {
    const std::vector<ArrayError> errors = run_layers(c, precision);
    EXPECT_EQ(failures(errors), 0);
    EXPECT_GT(errors.size(), 80u);
    EXPECT_TRUE(std::ranges::any_of(
        errors, [](const ArrayError& e) { return e.name == "VarianceNorm2d/grad.alpha"; }));
  }
}

TEST_F(GoldenTest, ChangedLayerResultsFail) {
  for (const char* array :
       {"VarianceNorm2d/output.y", "gn_silu/loss", "biggan_up/grad.Dense_0.weight",
        "biggan_up/grad_input.temb", "RefineBlock/grad_input.x2",
        "AttnBlockpp_4/grad.GroupNorm_0.bias", "CondCRPBlock/grad.norms.0.embed.weight"}) {
    Case c = own_case("layer_own");
    change_array(c, array, 100);
    EXPECT_EQ(failures(run_layers(c)), 1) << array;
  }
}

TEST_F(GoldenTest, ChangedLayerOptionsFail) {
  const auto failing = [](const std::string& sub_case, const std::string& option,
                          const SettingValue& value) {
    Case c = own_case("layer_own");
    c.options[sub_case][option] = value;
    return failures(run_layers(c));
  };
  EXPECT_GT(failing("gn_silu", "groups", int64_t{2}), 0);
  EXPECT_GT(failing("AttnBlockpp_4", "skip_rescale", false), 0);
  EXPECT_GT(failing("biggan_up", "act", "SiLU"), 0);
  EXPECT_GT(failing("biggan_up", "fir_kernel", std::vector<double>{1, 1, 1}), 0);
  EXPECT_EQ(failing("biggan_up", "act", "elu"), 0);
}

TEST_F(GoldenTest, LayersThatWeDoNotHaveAreUnknown) {
  Case c = own_case("layer_own");
  c.options["gn_silu"]["module"] = std::string("layers.Whatever");
  EXPECT_THROW(run_layers(c), Unknown);
  c = own_case("layer_own");
  c.arrays.tensors.emplace_back("gn_silu/output.statistics", f32_row({1}));
  EXPECT_THROW(run_layers(c), Unknown);
  c = own_case("layer_own");
  c.options["biggan_up"]["act"] = std::string("GELU");
  EXPECT_THROW(run_layers(c), Unknown);
}

TEST_F(GoldenTest, MeansOfOddImagesLeaveTheLastRowOut) {
  const std::vector<double> x{1, 2, 3, 4, 100, 5, 6, 7, 8, 100, 100, 100, 100, 100, 100};  // 3 x 5
  Case c;
  c.arrays.tensors.emplace_back("down/input.x", Tensor::from(x, {1, 1, 3, 5}));
  c.arrays.tensors.emplace_back("down/output.y",
                                Tensor::from(std::vector<double>{3.5, 5.5}, {1, 1, 1, 2}));
  c.options["down"] = {{"module", "layerspp.Downsample"}, {"fir", false}, {"with_conv", false}};
  const auto errors = run_layers(c, Precision::fp64);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].error, 0.0);
}

/// upfirdn2d along both axes by its four steps, in loops: zeros after every sample, pads, the
/// convolution, every down-th sample. x [H, W], k [K, L].
std::vector<double> upfirdn2d(const std::vector<double>& x, int64_t height, int64_t width,
                              const std::vector<double>& k, int64_t rows, int64_t columns,
                              int64_t up, int64_t down, int64_t before, int64_t after) {
  const auto size = [&](int64_t n, int64_t taps) {
    return (n * up + before + after - taps) / down + 1;
  };
  std::vector<double> y;
  for (int64_t r = 0; r < size(height, rows); ++r) {
    for (int64_t s = 0; s < size(width, columns); ++s) {
      double sum = 0;
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < columns; ++j) {
          const int64_t a = r * down + i - before, b = s * down + j - before;
          if (a < 0 || b < 0 || a >= height * up || b >= width * up || a % up || b % up) continue;
          sum += x[static_cast<size_t>(a / up * width + b / up)] *
                 k[static_cast<size_t>((rows - 1 - i) * columns + columns - 1 - j)];
        }
      }
      y.push_back(sum);
    }
  }
  return y;
}

TEST_F(GoldenTest, UpfirdnTakesAnyKernel) {
  const std::vector<double> x{1, -2, 3, 0.5, 4, -1, 2, 7, -3, 5, 6, -4};  // 3 x 4
  struct Kernel {
    int64_t rows, columns;
    std::vector<double> k;
  };
  const Kernel kernels[] = {{2, 2, {1, 2, 2, 4}},      // outer(r, r): our filter
                            {2, 2, {1, 2, 3, 4}},      // neither separable nor symmetric
                            {1, 3, {1, 2, 3}},         // another size along each axis
                            {2, 2, {-1, -2, -2, -4}},  // outer(r, r) times -1
                            {3, 2, {1, 2, 3, 4, 5, 6.5}}};
  for (const Kernel& kernel : kernels) {
    const auto want = upfirdn2d(x, 3, 4, kernel.k, kernel.rows, kernel.columns, 3, 2, -1, 2);
    const int64_t height = (9 + 1 - kernel.rows) / 2 + 1, width = (12 + 1 - kernel.columns) / 2 + 1;
    Case c;
    c.arrays.tensors.emplace_back("any/input.x", Tensor::from(x, {1, 1, 3, 4}));
    c.arrays.tensors.emplace_back("any/input.kernel",
                                  Tensor::from(kernel.k, {kernel.rows, kernel.columns}));
    c.arrays.tensors.emplace_back("any/output.y", Tensor::from(want, {1, 1, height, width}));
    c.options["any"] = {
        {"up", int64_t{3}}, {"down", int64_t{2}}, {"pad", std::vector<double>{-1, 2}}};
    const auto errors = run_layers(c, Precision::fp64);
    ASSERT_EQ(errors.size(), 1u);
    EXPECT_LE(errors[0].error, 1e-15) << kernel.rows << " x " << kernel.columns;
  }
}

/// A training case of two steps so small that the weights stay where they are, with its losses
/// computed from the published discrete objectives. [steps, N, C, H, W] images.
class DiscreteTraining {
 public:
  DiscreteTraining(const std::string& model, std::string sde) : sde_(std::move(sde)) {
    case_ = own_case(model);
    case_.category = "train";
    case_.settings["info.sde"] = sde_;
    case_.settings["info.N"] = case_.settings["model.num_scales"] = int64_t{kLevels};
    case_.settings["training.continuous"] = case_.settings["info.reduce_mean"] = false;
    case_.settings["optim.lr"] = 1e-15;
    case_.settings["optim.warmup"] = int64_t{0};
    const int64_t channels = case_.at("input.x").size(1);
    std::vector<double> images, noise;
    for (int i = 0; i < 2 * 2 * channels * 36; ++i) {
      images.push_back(std::sin(i + 1.0));
      noise.push_back(std::cos(3.0 * i));
    }
    const Shape stack{2, 2, channels, 6, 6};
    add("input.batches", Tensor::from(images, stack));
    add("input.z", Tensor::from(noise, stack));
    noise.resize(noise.size() / 2);
    add("input.eval_z", Tensor::from(noise, {2, channels, 6, 6}));
    add("input.labels_drawn", Tensor::from(std::vector<int64_t>{3, 0, 39, 21}, {2, 2}));
    add("input.eval_labels_drawn", Tensor::from(std::vector<int64_t>{3, 0}, {2}));
    keep_parameters();
    add("output.lrs", row({1e-15, 1e-15}));
    const double first = loss(0);
    add("output.losses", row({first, loss(1)}));
    add("output.eval_loss_ema", Tensor::from(std::vector<double>{first}, Shape{}));
  }
  Case& golden() { return case_; }

 private:
  static constexpr int kLevels = 40;

  void add(const std::string& name, const Tensor& t) { case_.arrays.tensors.emplace_back(name, t); }
  void keep_parameters() {
    for (size_t i = case_.arrays.tensors.size(); i-- > 0;) {
      const auto [name, tensor] = case_.arrays.tensors[i];
      if (!name.starts_with("all_modules.")) continue;
      add("after." + name, tensor);
      add("ema." + name, tensor);
    }
  }

  /// Mean and standard deviation of x_i given x_0 (Song et al. 2021, eq. 1 and 3).
  std::pair<double, double> level(int i) const {
    const double u = i / (kLevels - 1.0);
    if (sde_ == "ve") return {1, 50 * std::pow(0.01 / 50, u)};  // the largest sigma first
    double product = 1;
    for (int j = 0; j <= i; ++j) {
      product *= 1 - (0.1 + (20 - 0.1) * j / (kLevels - 1.0)) / kLevels;
    }
    return {std::sqrt(product), std::sqrt(1 - product)};
  }

  double loss(int64_t step) const {
    const NoGradScope off;
    const CaseRun run(case_, {.precision = Precision::fp64});
    const auto network = make_network(run);
    const Tensor& stack = case_.at("input.batches");
    const auto images = values(stack), noise = values(case_.at("input.z"));
    const auto labels = values(case_.at("input.labels_drawn"));
    const int64_t channels = stack.size(2), size = channels * 36;
    double total = 0;
    for (int64_t n = 0; n < 2; ++n) {
      const double label = labels[static_cast<size_t>(2 * step + n)];
      const auto [mean, std] = level(static_cast<int>(label));
      const auto first = static_cast<size_t>((2 * step + n) * size);
      std::vector<double> x, z;  // [H, W, C]
      for (int64_t i = 0; i < size; ++i) {
        const size_t at = first + static_cast<size_t>(i % channels * 36 + i / channels);
        z.push_back(noise[at]);
        x.push_back(mean * images[at] + std * noise[at]);
      }
      const auto y = values(network->forward(Tensor::from(x, {1, 6, 6, channels}),
                                             Tensor::from(std::vector{label}, {1})));
      for (size_t i = 0; i < y.size(); ++i) {
        const double error = sde_ == "ve" ? std * y[i] + z[i] : y[i] - z[i];
        total += 0.5 * error * error;
      }
    }
    return total / 2;
  }

  std::string sde_;
  Case case_;
};

TEST_F(GoldenTest, TrainsOnDiscreteLevels) {
  for (const char* sde : {"ve", "vp"}) {
    DiscreteTraining training("model_own_ddpmpp_vp", sde);
    CaseRun run(training.golden(), {.precision = Precision::fp64});
    run_train(run);
    for (const ArrayError& e : run.errors()) {
      const double limit = e.name.starts_with("output.") ? 1e-12 : e.limit;
      EXPECT_LE(e.error, limit) << sde << " " << e.name;
    }
    CaseRun fp32(training.golden(), {});
    run_train(fp32);
    EXPECT_EQ(failures(fp32.errors()), 0) << sde;
  }
}

}  // namespace
}  // namespace ito::golden
