// The Inception network against plain PyTorch, on files that write_inception_files.py makes.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "engine/autograd/autograd.h"
#include "models/inception/inception_file.h"
#include "tests/support/expect_failure.h"
#include "tools/data/npz.h"
#include "tools/import/inception.h"
#include "tools/metrics/network_features.h"

namespace ito::metrics {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = ITO_INCEPTION_FILES;

class InceptionFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kFolder / "expected.npz")) GTEST_SKIP() << "python3-torch is not installed";
    expected_ = std::make_unique<data::NpzFile>(kFolder / "expected.npz");
    const Tensor images = expected_->read("images");
    images_ = {.name = "images", .shape = {37, 32, 3}, .bytes = images.to_vector<uint8_t>()};
  }
  Tensor expected(const char* name) const { return expected_->read(name); }

  std::unique_ptr<data::NpzFile> expected_;
  ImageSet images_;
};

/// |a - b| / |b|.
double relative_error(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape(), b.shape());
  const std::vector<float> x = a.to_vector<float>();
  const std::vector<double> y = b.to_vector<double>();
  double error = 0, norm = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    error += std::pow(x[i] - y[i], 2);
    norm += y[i] * y[i];
  }
  return std::sqrt(error / norm);
}

TEST_F(InceptionFiles, Resize) {
  EXPECT_LT(relative_error(inception_input(images_, 0, 2, Resize::tf1), expected("tf1")), 1e-6);
  EXPECT_LT(
      relative_error(inception_input(images_, 0, 2, Resize::half_pixel), expected("half_pixel")),
      1e-6);
  // Antialiased shrinking of one value stays that value.
  const ImageSet flat{
      .name = "flat", .shape = {400, 310, 1}, .bytes = std::vector<uint8_t>(400 * 310, 51)};
  const Tensor x = inception_input(flat, 0, 1, Resize::antialias);
  EXPECT_EQ(x.shape(), (Shape{1, 299, 299, 3}));
  for (const float v : x.span<float>()) ASSERT_NEAR(v, -0.6, 1e-6);
}

TEST_F(InceptionFiles, FeaturesAndLogitsAsPyTorch) {
  // 48 layers of single precision: about 1e-6.
  for (const char* name : {"tiny.pth", "tiny_old.pth"}) {
    const nn::Inception network = tools::import_inception(kFolder / name);
    EXPECT_EQ(network.config().divisor, 16);
    EXPECT_EQ(network.config().classes, 11);
    const NetworkFeatures f = inception_features(network, images_, Resize::tf1, {.batch = 1});
    EXPECT_LT(relative_error(f.pool, expected("pool")), 1e-5);
    EXPECT_LT(relative_error(f.logits, expected("score_logits")), 1e-5);
    const NoGradScope off;
    const Tensor logits = network.forward(inception_input(images_, 0, 2, Resize::tf1));
    EXPECT_LT(relative_error(logits, expected("logits")), 1e-5);
  }
}

TEST_F(InceptionFiles, OurFileAndBack) {
  nn::Inception network = tools::import_inception(kFolder / "tiny.pth");
  const fs::path file = fs::path(::testing::TempDir()) / "ito_inception.safetensors";
  nn::save_inception(file, network);
  const auto again = nn::load_inception(file);
  const auto a = inception_features(network, images_, Resize::tf1, {.batch = 2});
  const auto b = inception_features(*again, images_, Resize::tf1, {.batch = 1});
  EXPECT_EQ(a.pool.to_vector<float>(), b.pool.to_vector<float>());
  fs::remove(file);
}

TEST_F(InceptionFiles, OtherNetworksAreRefused) {
  using ::ito::testing::expect_failure;
  expect_failure(ErrorCode::file_mismatch, {"Mixed_6c.branch7x7_2.bn.running_var"},
                 [] { tools::import_inception(kFolder / "lacking.pth"); });
  expect_failure(ErrorCode::file_missing, {"none"},
                 [] { tools::import_inception(kFolder / "none"); });
}

TEST(Inception, WidthOfThePublishedNetwork) {
  nn::Inception network({}, nn::Init::shapes_only());
  int64_t count = 0;
  for (const nn::Parameter& p : nn::parameters_of(network)) count += p.value->numel();
  // Keras counts 23,817,352 trainable numbers of its InceptionV3, which also has one shift and no
  // scale per channel, and 1000 outputs: 8 outputs of 2049 numbers fewer.
  EXPECT_EQ(count, 23'817'352 + 8 * 2049);
  EXPECT_THROW(nn::Inception({.divisor = 3}), ValueError);
  EXPECT_THROW(nn::Inception({.divisor = 16}).features(Tensor::zeros({1, 64, 64, 3}, DType::f32)),
               ShapeError);
}

}  // namespace
}  // namespace ito::metrics
