// The blocks of NCSN and NCSNv2 against the reference implementation's, and the norm against its
// formula.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>

#include "engine/autograd/autograd.h"
#include "engine/io/safetensors.h"
#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/permute/op.h"
#include "kernels/reduce/op.h"
#include "kernels/unary/op.h"
#include "models/make.h"
#include "models/refinenet/blocks.h"

namespace ito::nn {
namespace {

namespace fs = std::filesystem;

constexpr double kLimit = 1e-5;  // relative L2, of layers' outputs and gradients

double relative_l2(const Tensor& ours, const Tensor& theirs) {
  const Tensor a = ops::cast(ours.detach(), DType::f64), b = ops::cast(theirs, DType::f64);
  EXPECT_EQ(to_string(a.shape()), to_string(b.shape()));
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < std::min(a.numel(), b.numel()); ++i) {
    difference += std::pow(a.data<double>()[i] - b.data<double>()[i], 2);
    norm += std::pow(b.data<double>()[i], 2);
  }
  return std::sqrt(difference / norm);
}

/// One part of layer_ncsnv2.safetensors: parameters and results under "NAME/".
class GoldenLayer {
 public:
  GoldenLayer(const fs::path& file, std::string name)
      : file_(file), name_(std::move(name)), arrays_(read_safetensors(file)) {}

  Tensor at(const std::string& array) const { return arrays_.at(name_ + "/" + array, file_); }
  Tensor image(const std::string& array) const {
    return ops::permute(at(array), {0, 2, 3, 1}).detach();
  }

  /// Loads the part's parameters, runs it on the inputs (those after "input."), and compares the
  /// output and all gradients.
  template <class Part>
  void check(Part& part, const std::vector<std::string>& inputs,
             const std::function<Tensor(const std::vector<Tensor>&)>& run) const {
    ParameterList list;
    part.list(list);
    Tensors wrt;
    std::vector<Tensor> x;
    for (const Parameter& p : list.parameters()) {
      const Tensor value = from_reference(at(p.reference_name), p.layout);
      ASSERT_EQ(to_string(value.shape()), to_string(p.value->shape())) << p.reference_name;
      *p.value = value;
      wrt.push_back(p.value->set_requires_grad());
    }
    for (const std::string& input : inputs) x.push_back(image("input." + input));
    for (Tensor& t : x) wrt.push_back(t.set_requires_grad());
    const Tensor y = run(x);
    EXPECT_LT(relative_l2(y, image("output.y")), kLimit);
    const Tensors gradients = grad(ops::sum(y * image("input.v")), wrt);
    const size_t count = list.parameters().size();
    for (size_t i = 0; i < count; ++i) {
      const Parameter& p = list.parameters()[i];
      EXPECT_LT(relative_l2(to_reference(gradients[i], p.layout), at("grad." + p.reference_name)),
                kLimit)
          << p.reference_name;
    }
    for (size_t i = 0; i < inputs.size(); ++i) {
      EXPECT_LT(relative_l2(gradients[count + i], image("grad_input." + inputs[i])), kLimit)
          << inputs[i];
    }
  }

 private:
  fs::path file_;
  std::string name_;
  SafetensorsFile arrays_;
};

class GoldenLayers : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("ITO_SHARED_DIR");
    const fs::path shared = folder ? fs::path(folder) : fs::path(ITO_SOURCE_DIR) / "../shared";
    file_ = shared / "golden" / "layer_ncsnv2.safetensors";
    if (!fs::exists(file_)) GTEST_SKIP() << "the shared golden files are absent (ITO_SHARED_DIR)";
  }
  GoldenLayer layer(const std::string& name) const { return {file_, name}; }

  Init init_{1};
  const RefineContext context_{Activation::elu, {}};

 private:
  fs::path file_;
};

TEST_F(GoldenLayers, InstanceNormPlus) {
  InstanceNormPlus norm(init_, 6, 0);
  layer("InstanceNorm2dPlus").check(norm, {"x"}, [&](const auto& x) { return norm(x[0], {}); });
}

TEST_F(GoldenLayers, ConditionalInstanceNormPlus) {
  const GoldenLayer golden = layer("ConditionalInstanceNorm2dPlus");
  InstanceNormPlus norm(init_, 6, 10);
  golden.check(norm, {"x"}, [&](const auto& x) { return norm(x[0], golden.at("input.y")); });
}

TEST_F(GoldenLayers, DilatedBlocks) {
  struct Variant {
    const char* name;
    int out;
    DilatedBlock::Size size;
    int dilation;
  };
  const auto kSame = DilatedBlock::Size::same, kDown = DilatedBlock::Size::down;
  for (const Variant& v : {Variant{"ResidualBlock_dil1_down", 8, kDown, 1},
                           Variant{"ResidualBlock_dil2_down", 8, kDown, 2},
                           Variant{"ResidualBlock_dil4_None", 6, kSame, 4}}) {
    SCOPED_TRACE(v.name);
    DilatedBlock block(init_, 6, v.out, v.size, v.dilation, {});
    layer(v.name).check(block, {"x"}, [&](const auto& x) { return block(x[0], context_); });
  }
}

TEST_F(GoldenLayers, ResidualUnit) {
  ResidualUnit unit(init_, 4, 2, {});
  layer("RCUBlock").check(unit, {"x"}, [&](const auto& x) { return unit(x[0], context_); });
}

TEST_F(GoldenLayers, Fusion) {
  Fusion fusion(init_, {4, 6}, 5, {});
  layer("MSFBlock").check(fusion, {"x1", "x2"}, [&](const auto& x) { return fusion(x, context_); });
}

TEST_F(GoldenLayers, PoolingChainOfMaxima) {
  PoolingChain chain(init_, 4, {});
  layer("CRPBlock").check(chain, {"x"}, [&](const auto& x) { return chain(x[0], context_); });
}

TEST_F(GoldenLayers, PoolingChainOfMeans) {
  PoolingChain chain(init_, 4, {.pooling = Pooling::mean});
  layer("CRPBlock_avg").check(chain, {"x"}, [&](const auto& x) { return chain(x[0], context_); });
}

/// y[n, h, w, c] of InstanceNorm++, straight from the formula.
std::vector<double> norm_by_formula(const Tensor& x, const std::vector<double>& gamma,
                                    const std::vector<double>& alpha,
                                    const std::vector<double>& beta) {
  const int64_t n = x.size(0), pixels = x.size(1) * x.size(2), c = x.size(3);
  const double* v = x.data<double>();
  std::vector<double> y(static_cast<size_t>(x.numel()));
  for (int64_t image = 0; image < n; ++image) {
    std::vector<double> mean(static_cast<size_t>(c), 0), variance = mean;
    const auto at = [&](int64_t p, size_t ch) {
      return static_cast<size_t>((image * pixels + p) * c) + ch;
    };
    double middle = 0, spread = 0;
    for (size_t ch = 0; ch < mean.size(); ++ch) {
      for (int64_t p = 0; p < pixels; ++p) mean[ch] += v[at(p, ch)] / double(pixels);
      for (int64_t p = 0; p < pixels; ++p) {
        variance[ch] += std::pow(v[at(p, ch)] - mean[ch], 2) / double(pixels);
      }
      middle += mean[ch] / double(c);
    }
    for (const double m : mean) spread += std::pow(m - middle, 2) / double(c - 1);
    for (size_t ch = 0; ch < mean.size(); ++ch) {
      const double between = (mean[ch] - middle) / std::sqrt(spread + 1e-5);
      for (int64_t p = 0; p < pixels; ++p) {
        const double within = (v[at(p, ch)] - mean[ch]) / std::sqrt(variance[ch] + 1e-5);
        y[at(p, ch)] = gamma[ch] * (within + alpha[ch] * between) + beta[ch];
      }
    }
  }
  return y;
}

TEST(InstanceNormPlusTest, BothKindsAreTheFormula) {
  Init init(3);
  const std::vector<double> gamma{1.5, -0.5, 2}, alpha{0.3, 1, -2}, beta{0, 4, -1};
  const Tensor x = ops::cast(init.normal({2, 3, 5, 3}, 2), DType::f64);
  const auto row = [](const std::vector<double>& v) { return Tensor::from(v, {3}); };
  const Tensor expected = Tensor::from(norm_by_formula(x, gamma, alpha, beta), x.shape());

  InstanceNormPlus plain(init, 3, 0);
  plain.gamma = row(gamma);
  plain.alpha = row(alpha);
  plain.beta = row(beta);
  EXPECT_LT(relative_l2(plain(x, {}), expected), 1e-12);

  InstanceNormPlus conditional(init, 3, 2);
  conditional.table = Tensor::from(
      std::vector<double>{9, 9, 9, 9, 9, 9, 9, 9, 9, 1.5, -0.5, 2, 0.3, 1, -2, 0, 4, -1}, {2, 9});
  const Tensor last = Tensor::from(std::vector<int64_t>{1, 1}, {2});
  EXPECT_LT(relative_l2(conditional(x, last), expected), 1e-12);
}

ModelConfig small(const char* name) {
  ModelConfig model;
  model.name = name;
  model.nf = 8;
  model.nonlinearity = "elu";
  return model;
}

TEST(RefineNetTest, EveryVariantRunsAndEveryParameterHasAGradient) {
  const ImageConfig image{.image_size = 8, .channels = 2, .centered = false, .num_scales = 3};
  for (const char* name : {"ncsn", "ncsnv2_64", "ncsnv2_128", "ncsnv2_256"}) {
    SCOPED_TRACE(name);
    const auto network = make_network(small(name), image, 5);
    Tensors wrt;
    for (const Parameter& p : parameters_of(*network)) {
      wrt.push_back(p.value->set_requires_grad());
    }
    Init init(6);
    const Tensor x = init.uniform({2, 8, 8, 2}, 1);
    const Tensor y = network->forward(x, Tensor::from(std::vector<float>{0, 2}, {2}));
    ASSERT_EQ(to_string(y.shape()), to_string(x.shape()));
    for (const Tensor& g : grad(ops::sum(ops::square(y)), wrt)) {
      double size = 0;
      for (const float v : g.span<float>()) size += std::abs(v);
      EXPECT_TRUE(std::isfinite(size));
      EXPECT_GT(size, 0);
    }
  }
}

/// The label picks the norms of ncsn, and sigma alone for NCSNv2.
TEST(RefineNetTest, LabelsCount) {
  const ImageConfig image{
      .image_size = 4, .channels = 1, .sigma_min = 0.5, .sigma_max = 2, .num_scales = 3};
  Init init(7);
  const Tensor x = init.normal({1, 4, 4, 1}, 1);
  const auto output = [&](const char* name, float label, bool divided) {
    ModelConfig model = small(name);
    model.scale_by_sigma = divided;
    return make_network(model, image, 8)
        ->forward(x, Tensor::from(std::vector<float>{label}, {1}))
        .detach();
  };
  EXPECT_LT(relative_l2(output("ncsnv2_64", 0, false), output("ncsnv2_64", 2, false)), 1e-7);
  EXPECT_GT(relative_l2(output("ncsn", 0, false), output("ncsn", 2, false)), 1e-4);
  EXPECT_LT(relative_l2(4.0 * output("ncsnv2_64", 0, true), output("ncsnv2_64", 2, true)), 1e-6);
}

TEST(RefineNetTest, OddSizesAreRefused) {
  const ImageConfig image{.image_size = 12};
  EXPECT_NO_THROW(make_network(small("ncsnv2_128"), image, 1));
  EXPECT_THROW(make_network(small("ncsnv2_256"), image, 1), UserError);
}

}  // namespace
}  // namespace ito::nn
