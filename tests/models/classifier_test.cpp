// The time-dependent classifier against plain loops, its derivatives against differences, and its
// training.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <numeric>

#include "engine/autograd/autograd.h"
#include "engine/random/noise.h"
#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/gather/op.h"
#include "kernels/reduce/op.h"
#include "kernels/unary/op.h"
#include "models/classifier/log_likelihood.h"
#include "models/classifier/wide_resnet.h"
#include "models/load.h"
#include "models/make.h"
#include "sde/config.h"
#include "sde/training/checkpoint.h"
#include "sde/training/classifier_trainer.h"

namespace ito::nn {
namespace {

constexpr int kClasses = 3;

ModelConfig tiny_model() {
  ModelConfig model;
  model.name = "wideresnet";
  model.nf = 4;
  model.depth = 10;
  model.widen_factor = 1;
  model.num_classes = kClasses;
  model.embedding_type = "fourier";
  model.fourier_scale = 0.5;
  return model;
}

ImageConfig rgb() { return {.image_size = 8, .channels = 3, .centered = false}; }
ImageConfig grey() { return {.image_size = 12, .channels = 1, .centered = true}; }

Tensor random_images(const ImageConfig& image, int64_t count, uint64_t seed, DType dtype) {
  Init init(seed);
  return ops::cast(init.normal({count, image.image_size, image.image_size, image.channels}, 0.7),
                   dtype);
}

/// A network whose norms and biases are not those of a new one, so that their places matter.
std::unique_ptr<Network> random_network(const ModelConfig& model, const ImageConfig& image,
                                        DType dtype) {
  auto network = make_network(model, image, 3);
  Init init(17);
  for (const Parameter& p : parameters_of(*network)) {
    if (p.value->rank() == 1) {
      const Tensor noise = init.normal(p.value->shape(), 0.3);
      for (int64_t i = 0; i < p.value->numel(); ++i)
        p.value->data<float>()[i] += noise.data<float>()[i];
    }
  }
  convert(*network, dtype);
  return network;
}

// The network of spec section 4 in plain loops, for one image.

struct Planes {
  int64_t size = 0, channels = 0;
  std::vector<double> v;
  Planes(int64_t s, int64_t c) : size(s), channels(c), v(static_cast<size_t>(s * s * c), 0) {}
  double& at(int64_t y, int64_t x, int64_t c) {
    return v[static_cast<size_t>((y * size + x) * channels + c)];
  }
};

class PlainWideResNet {
 public:
  explicit PlainWideResNet(Network& network) {
    for (const auto& [name, value] : named_parameters(network)) {
      values_[name] = {value.shape(), value.to_vector<double>()};
    }
  }

  std::vector<double> logits(Planes x, double sigma) const {
    const std::vector<double> e = embedding(sigma);
    Planes h = conv(x, "stem.weight", 1);
    for (int group = 0; group < 3; ++group) {
      h = block(h, "group." + std::to_string(group) + ".block.0.", group == 0 ? 1 : 2, e,
                group == 0);
    }
    h = norm_relu(h, "head.norm");
    std::vector<double> pooled(static_cast<size_t>(h.channels), 0);
    for (int64_t y = 0; y < h.size; ++y)
      for (int64_t c = 0; c < h.channels; ++c)
        for (int64_t column = 0; column < h.size; ++column)
          pooled[static_cast<size_t>(c)] +=
              h.at(y, column, c) / static_cast<double>(h.size * h.size);
    return linear(pooled, "head.linear");
  }

 private:
  struct Value {
    Shape shape;
    std::vector<double> v;
  };
  const std::vector<double>& value(const std::string& name) const { return values_.at(name).v; }

  std::vector<double> linear(const std::vector<double>& x, const std::string& name) const {
    const std::vector<double>&w = value(name + ".weight"), &b = value(name + ".bias");
    std::vector<double> y = b;
    for (size_t o = 0; o < b.size(); ++o)
      for (size_t i = 0; i < x.size(); ++i) y[o] += w[o * x.size() + i] * x[i];
    return y;
  }

  static std::vector<double> swish(std::vector<double> x) {
    for (double& v : x) v /= 1 + std::exp(-v);
    return x;
  }

  std::vector<double> embedding(double sigma) const {
    std::vector<double> e;
    for (const bool cosine : {false, true}) {
      for (const double w : value("embedding.frequencies")) {
        const double phase = 2 * M_PI * w * std::log(sigma);
        e.push_back(cosine ? std::cos(phase) : std::sin(phase));
      }
    }
    return swish(linear(swish(linear(e, "embedding.linear0")), "embedding.linear1"));
  }

  Planes conv(Planes& x, const std::string& name, int64_t stride) const {
    const Value& w = values_.at(name);
    const int64_t out = w.shape[0], before = stride == 1 ? 1 : 0;  // "same" padding
    Planes y(x.size / stride, out);
    for (int64_t r = 0; r < y.size; ++r)
      for (int64_t s = 0; s < y.size; ++s)
        for (int64_t o = 0; o < out; ++o)
          for (int64_t i = 0; i < 9; ++i) {
            const int64_t row = r * stride + i / 3 - before, column = s * stride + i % 3 - before;
            if (row < 0 || column < 0 || row >= x.size || column >= x.size) continue;
            for (int64_t c = 0; c < x.channels; ++c)
              y.at(r, s, o) +=
                  w.v[static_cast<size_t>((o * 9 + i) * x.channels + c)] * x.at(row, column, c);
          }
    return y;
  }

  Planes norm_relu(Planes x, const std::string& name) const {
    const int64_t groups = std::min<int64_t>(x.channels / 4, 32), width = x.channels / groups;
    const auto count = static_cast<double>(width * x.size * x.size);
    for (int64_t g = 0; g < groups; ++g) {
      double sum = 0, squares = 0;
      const auto each = [&](const auto& f) {
        for (int64_t i = 0; i < x.size * x.size; ++i)
          for (int64_t c = g * width; c < (g + 1) * width; ++c)
            f(x.at(0, i, c), static_cast<size_t>(c));
      };
      each([&](double v, size_t) { sum += v; });
      each([&](double v, size_t) { squares += (v - sum / count) * (v - sum / count); });
      each([&](double& v, size_t c) {
        v = value(name + ".weight")[c] * (v - sum / count) / std::sqrt(squares / count + 1e-5) +
            value(name + ".bias")[c];
        v = std::max(v, 0.0);
      });
    }
    return x;
  }

  Planes block(Planes x, const std::string& name, int64_t stride, const std::vector<double>& e,
               bool first) const {
    Planes a = norm_relu(x, name + "norm0");
    Planes h = conv(a, name + "conv0.weight", stride);
    const std::vector<double> shift = linear(e, name + "dense");
    for (size_t i = 0; i < h.v.size(); ++i) h.v[i] += shift[i % shift.size()];
    h = norm_relu(h, name + "norm1");
    h = conv(h, name + "conv1.weight", 1);
    Planes& base = first ? a : x;
    for (int64_t r = 0; r < base.size; ++r)
      for (int64_t s = 0; s < base.size; ++s)
        for (int64_t c = 0; c < base.channels; ++c)
          h.at(r / stride, s / stride, c) +=
              base.at(r, s, c) / static_cast<double>(stride * stride);
    return h;
  }

  std::map<std::string, Value> values_;
};

/// u = (v - mean) / std by channel, then (u - m) / max(s, 1 / sqrt(d)) by image (spec 4).
Planes plain_standardized(const Tensor& images, int64_t n, const ImageConfig& image) {
  const double mean[] = {0.49139968, 0.48215841, 0.44653091};
  const double std[] = {0.24703223, 0.24348513, 0.26158784};
  Planes u(images.size(1), images.size(3));
  const std::vector<double> all = images.to_vector<double>();
  const auto d = static_cast<double>(u.v.size());
  double sum = 0, squares = 0;
  for (size_t i = 0; i < u.v.size(); ++i) {
    double v = all[static_cast<size_t>(n) * u.v.size() + i];
    if (image.centered) v = (v + 1) / 2;
    const bool one = image.channels == 1;
    v -= one ? (mean[0] + mean[1] + mean[2]) / 3 : mean[i % 3];
    u.v[i] = v / (one ? (std[0] + std[1] + std[2]) / 3 : std[i % 3]);
    sum += u.v[i];
  }
  for (const double v : u.v) squares += (v - sum / d) * (v - sum / d);
  const double s = std::max(std::sqrt(squares / d), 1 / std::sqrt(d));
  for (double& v : u.v) v = (v - sum / d) / s;
  return u;
}

TEST(Classifier, StandardizesAsTheFormulaSays) {
  for (const ImageConfig& image : {rgb(), grey()}) {
    const WideResNet network(tiny_model(), image, 1);
    Tensor x = random_images(image, 3, 5, DType::f64);
    const int64_t each = x.numel() / 3;
    // The second image's deviation is below the floor; the third is constant over its pixels.
    for (int64_t i = 0; i < each; ++i) {
      x.data<double>()[each + i] = 0.5 + 1e-3 * x.data<double>()[each + i];
      x.data<double>()[2 * each + i] =
          image.channels == 1 ? 0.25 : 0.1 * static_cast<double>(i % 3);
    }
    const std::vector<double> y = network.standardized(x).to_vector<double>();
    for (int64_t n = 0; n < 3; ++n) {
      const Planes plain = plain_standardized(x, n, image);
      for (int64_t i = 0; i < each; ++i) {
        // Differences of numbers of order 1 leave about 1e-16 each, over a floor of 1 / sqrt(d).
        EXPECT_NEAR(y[static_cast<size_t>(n * each + i)], plain.v[static_cast<size_t>(i)], 1e-13);
      }
    }
  }
}

TEST(Classifier, AConstantImageHasAGradient) {
  const WideResNet network(tiny_model(), grey(), 1);
  Tensor x = Tensor::full({1, 12, 12, 1}, 0.25, DType::f32).set_requires_grad();
  const Tensor v = random_images(grey(), 1, 2, DType::f32);
  for (const float g : grad(ops::sum(network.standardized(x) * v), {x})[0].to_vector<float>()) {
    ASSERT_TRUE(std::isfinite(g));
  }
}

TEST(Classifier, ComputesThePublishedNetwork) {
  for (const ImageConfig& image : {rgb(), grey()}) {
    const auto network = random_network(tiny_model(), image, DType::f64);
    const PlainWideResNet plain(*network);
    const Tensor x = random_images(image, 2, 7, DType::f64);
    const std::vector<double> sigma{0.01, 3.5};
    const std::vector<double> y = network->forward(x, Tensor::from(sigma, {2})).to_vector<double>();
    for (int64_t n = 0; n < 2; ++n) {
      const auto expected =
          plain.logits(plain_standardized(x, n, image), sigma[static_cast<size_t>(n)]);
      for (size_t k = 0; k < kClasses; ++k) {
        EXPECT_NEAR(y[static_cast<size_t>(n) * kClasses + k], expected[k], 1e-11) << n << " " << k;
      }
    }
  }
}

TEST(Classifier, HasThePublishedNumberOfParameters) {
  ModelConfig model;
  model.name = "wideresnet";
  model.embedding_type = "fourier";
  model.num_classes = 10;
  const auto network = make_network(model, {.image_size = 32, .channels = 3}, 1);
  EXPECT_EQ(count_parameters(*network, Training::trained), 38'913'114);
  EXPECT_EQ(count_parameters(*network, Training::frozen), 128);
}

/// Sample moments of initial values: the deviation of n normals is within 5 / sqrt(2 n) of its own.
TEST(Classifier, StartsAsPublished) {
  ModelConfig model = tiny_model();
  model.widen_factor = 2;
  model.num_classes = 100;
  const auto network = make_network(model, rgb(), 1);
  std::map<std::string, Tensor> values;
  for (const auto& [name, value] : named_parameters(*network)) values[name] = value;
  const auto check = [&](const std::string& name, double std) {
    double squares = 0;
    for (const float v : values.at(name).to_vector<float>()) squares += double(v) * v;
    const auto n = static_cast<double>(values.at(name).numel());
    EXPECT_NEAR(std::sqrt(squares / n) / std, 1, 5 / std::sqrt(2 * n)) << name;
  };
  check("group.1.block.0.conv0.weight", std::sqrt(2.0 / (9 * 64)));
  check("group.2.block.0.conv1.weight", std::sqrt(2.0 / (9 * 128)));
  check("group.1.block.0.dense.weight", std::sqrt(1.0 / 16));
  check("embedding.linear0.weight", std::sqrt(1.0 / 8));
  check("head.linear.weight", std::sqrt(1.0 / 100 / 3));
  for (const float v : values.at("head.linear.weight").to_vector<float>()) {
    ASSERT_LE(std::abs(v), 0.1f);
  }
}

TEST(Classifier, LogitsOfAnImageDoNotDependOnTheOthers) {
  const auto network = random_network(tiny_model(), rgb(), DType::f32);
  const Tensor x = random_images(rgb(), 5, 11, DType::f32);
  const Tensor sigma = Tensor::from(std::vector<float>{0.01f, 50, 1, 0.3f, 7}, {5});
  const std::vector<int64_t> order{3, 0, 4, 2, 1};
  const auto forward = [&](const std::vector<int64_t>& images) {
    const Tensor index = Tensor::from(images, {static_cast<int64_t>(images.size())});
    return network->forward(ops::gather(x, index), ops::gather(sigma, index)).to_vector<float>();
  };
  const std::vector<float> plain = forward({0, 1, 2, 3, 4}), permuted = forward(order);
  for (size_t i = 0; i < order.size(); ++i) {
    const float* row = plain.data() + static_cast<size_t>(order[i]) * kClasses;
    EXPECT_EQ(std::memcmp(permuted.data() + i * kClasses, row, kClasses * sizeof(float)), 0);
    EXPECT_EQ(std::memcmp(forward({order[i]}).data(), row, kClasses * sizeof(float)), 0);
  }
}

/// (f(p + h v) - f(p - h v)) / 2h against <gradient, v>, for a parameter or an input at a time.
void expect_slope(const Tensor& p, const Tensor& gradient, const std::function<double()>& f,
                  const std::string& name) {
  constexpr double kStep = 1e-6;
  Init init(23);
  const Tensor v = ops::cast(init.normal(p.shape(), 1), DType::f64);
  const Tensor start = p.clone();
  const auto at = [&](double h) {
    const NoGradScope off;
    p.detach().copy_from(start + h * v);
    return f();
  };
  const double slope = (at(kStep) - at(-kStep)) / (2 * kStep);
  at(0);
  const double expected = ops::sum(gradient * v).item();
  // Differences of a loss of order 1 round to 1e-16 / h, and err by h^2 times its third derivative.
  EXPECT_NEAR(slope, expected, 1e-8 + 1e-6 * std::abs(expected)) << name;
}

TEST(Classifier, GradientsOfTheLossAreSlopes) {
  const auto network = random_network(tiny_model(), rgb(), DType::f64);
  Tensor x = random_images(rgb(), 3, 13, DType::f64);
  const Tensor sigma = Tensor::from(std::vector<double>{0.2, 1.5, 20}, {3});
  const std::vector<int64_t> classes{2, 0, 1};
  const Tensor targets = one_hot(classes, kClasses, DType::f64, kCpu);
  const auto loss = [&] { return ops::mean(cross_entropy(network->forward(x, sigma), targets)); };
  std::vector<Parameter> parameters;
  for (const Parameter& p : parameters_of(*network)) {
    if (p.training == Training::trained) parameters.push_back(p);
  }
  Tensors wrt{x.set_requires_grad()};
  for (const Parameter& p : parameters) wrt.push_back(p.value->set_requires_grad());
  const Tensors gradients = grad(loss(), wrt);
  const auto value = [&] { return loss().item(); };
  expect_slope(x, gradients[0], value, "x");
  for (size_t i = 0; i < parameters.size(); ++i) {
    expect_slope(*parameters[i].value, gradients[i + 1], value, parameters[i].name);
  }
}

TEST(Classifier, GuidanceIsTheSlopeOfTheLogProbability) {
  const auto network = random_network(tiny_model(), rgb(), DType::f64);
  const Tensor x = random_images(rgb(), 2, 19, DType::f64);
  const Tensor sigma = Tensor::from(std::vector<double>{0.4, 2}, {2});
  const std::vector<int64_t> classes{1, 2};
  const Tensor targets = one_hot(classes, kClasses, DType::f64, kCpu);
  const NoGradScope off;  // as a sampler runs
  const Tensor gradient = classifier_gradient(*network, x, sigma, targets);
  EXPECT_FALSE(gradient.requires_grad());
  const auto log_p = [&] {
    const Tensor each = log_softmax(network->forward(x, sigma));
    return each.data<double>()[1] + each.data<double>()[kClasses + 2];
  };
  expect_slope(x, gradient, log_p, "x");
}

TEST(Classifier, LogSoftmaxKeepsItsDigits) {
  const std::vector<double> rows{0.5, -1, 2, 1e4, 1e4 + 1, -1e4, -800, -800, -800};
  const std::vector<double> y = log_softmax(Tensor::from(rows, {3, 3})).to_vector<double>();
  const double first = std::log(std::exp(0.5) + std::exp(-1.0) + std::exp(2.0));
  const std::vector<double> expected{0.5 - first,
                                     -1 - first,
                                     2 - first,
                                     -1 - std::log1p(std::exp(-1.0)),
                                     -std::log1p(std::exp(-1.0)),
                                     -20001 - std::log1p(std::exp(-1.0)),
                                     -std::log(3.0),
                                     -std::log(3.0),
                                     -std::log(3.0)};
  for (size_t i = 0; i < 9; ++i)
    EXPECT_NEAR(y[i], expected[i], 1e-14 * std::max(1.0, std::abs(expected[i])));
  EXPECT_THROW(one_hot(std::vector<int64_t>{3}, 3, DType::f32, kCpu), ValueError);
  EXPECT_THROW(one_hot(std::vector<int64_t>{-1}, 3, DType::f32, kCpu), ValueError);
}

TEST(Classifier, RefusesWhatDoesNotFit) {
  const auto made = [](const std::function<void(ModelConfig&, ImageConfig&)>& change) {
    ModelConfig model = tiny_model();
    ImageConfig image = rgb();
    change(model, image);
    make_network(model, image, 1);
  };
  EXPECT_NO_THROW(made([](ModelConfig&, ImageConfig&) {}));
  EXPECT_THROW(made([](ModelConfig& m, ImageConfig&) { m.depth = 12; }), UserError);
  EXPECT_THROW(made([](ModelConfig& m, ImageConfig&) { m.depth = 4; }), UserError);
  EXPECT_THROW(made([](ModelConfig& m, ImageConfig&) { m.widen_factor = 0; }), UserError);
  EXPECT_THROW(made([](ModelConfig& m, ImageConfig&) { m.num_classes = 0; }), UserError);
  EXPECT_THROW(made([](ModelConfig& m, ImageConfig&) { m.embedding_type = "positional"; }),
               UserError);
  EXPECT_THROW(made([](ModelConfig&, ImageConfig& i) { i.image_size = 18; }), UserError);
  EXPECT_THROW(made([](ModelConfig&, ImageConfig& i) { i.channels = 2; }), UserError);
}

}  // namespace
}  // namespace ito::nn

namespace ito::sde {
namespace {

constexpr int64_t kBatch = 6;

nn::ImageConfig image() { return {.image_size = 8, .channels = 1, .centered = true}; }

nn::ModelConfig model() {
  nn::ModelConfig m = nn::tiny_model();
  m.num_classes = 2;
  return m;
}

ClassifierTrainer trainer_with(const TrainConfig& train) {
  return {nn::make_network(model(), image(), 1),
          make_sde({.name = "vp"}),
          {.lr = 3e-3, .warmup = 0, .ema_rate = 0.9},
          train,
          2};
}

/// Images of class 0 are bright on the left, those of class 1 on the right.
struct Halves {
  Tensor images = Tensor::empty({kBatch, 8, 8, 1}, DType::f32);
  std::vector<int64_t> classes;
  explicit Halves(int64_t step) {
    for (int64_t n = 0; n < kBatch; ++n) {
      classes.push_back((n + step) % 3 == 0 ? 1 : 0);
      for (int64_t i = 0; i < 64; ++i) {
        const bool right = i % 8 >= 4;
        images.data<float>()[n * 64 + i] = right == (classes.back() == 1) ? 0.9f : -0.8f;
      }
    }
  }
};

std::vector<float> weights(nn::Network& network) {
  std::vector<float> all;
  for (const nn::Parameter& p : nn::parameters_of(network)) {
    const std::vector<float> v = p.value->to_vector<float>();
    all.insert(all.end(), v.begin(), v.end());
  }
  return all;
}

/// x_t and labels from the SDE's functions and the noise of (seed, step, position), on the host.
TEST(ClassifierTrainer, TheLossIsTheCrossEntropyOfNoisyImages) {
  const TrainConfig config{.batch = kBatch, .micro_batch = 4, .seed = 5};
  ClassifierTrainer trainer = trainer_with(config);
  const auto vp = make_sde({.name = "vp"});
  for (int64_t step = 0; step < 2; ++step) {
    const Halves batch(step);
    Tensor x = batch.images.clone();
    std::vector<float> sigma;
    for (uint32_t n = 0; n < kBatch; ++n) {
      const auto at = static_cast<uint32_t>(step);
      const double t = 1e-5 + uniform_at({5, Purpose::time, at}, n, 0) * (1 - 1e-5);
      sigma.push_back(static_cast<float>(vp->sigma(t)));
      for (uint32_t i = 0; i < 64; ++i) {
        float& v = x.data<float>()[n * 64 + i];
        v = static_cast<float>(vp->alpha(t)) * v +
            sigma.back() * normal_at({5, Purpose::forward_noise, at}, n, i);
      }
    }
    const Tensor labels = Tensor::from(sigma, {kBatch});
    const Tensor each = nn::log_softmax(trainer.network().forward(x, labels)).detach();
    double loss = 0;
    int64_t correct = 0;
    for (int64_t n = 0; n < kBatch; ++n) {
      const float* row = each.data<float>() + n * 2;
      const int64_t y = batch.classes[static_cast<size_t>(n)];
      loss -= row[y] / static_cast<double>(kBatch);
      correct += row[y] > row[1 - y];
    }
    trainer.loss_window() = {};
    EXPECT_NEAR(trainer.step(batch.images, batch.classes).loss, loss, 1e-5) << step;
    EXPECT_EQ(trainer.loss_window().correct, correct) << step;
  }
}

TEST(ClassifierTrainer, LearnsAndResumesBitForBit) {
  const TrainConfig config{.batch = kBatch, .micro_batch = 4, .seed = 3};
  const auto folder =
      std::filesystem::temp_directory_path() / ("ito_classifier_" + std::to_string(::getpid()));
  ClassifierTrainer whole = trainer_with(config);
  constexpr int64_t kSteps = 60, kStop = 23;
  for (int64_t i = 0; i < kSteps; ++i) {
    const Halves batch(i);
    whole.step(batch.images, batch.classes);
    if (i + 1 == kStop) save_checkpoint(folder, whole, {}, 1);
  }
  ClassifierTrainer resumed = trainer_with(config);
  load_checkpoint(*newest_checkpoint(folder), resumed);
  std::filesystem::remove_all(folder);
  EXPECT_EQ(resumed.steps_done(), kStop);
  for (int64_t i = kStop; i < kSteps; ++i) {
    const Halves batch(i);
    resumed.step(batch.images, batch.classes);
  }
  EXPECT_EQ(weights(whole.network()), weights(resumed.network()));
  EXPECT_EQ(weights(whole.ema_network()), weights(resumed.ema_network()));
  EXPECT_EQ(whole.loss_window().correct, resumed.loss_window().correct);
  EXPECT_EQ(whole.loss_window().sum, resumed.loss_window().sum);

  const Halves batch(0);
  EXPECT_EQ(whole.count_correct(batch.images, batch.classes, 0.01, 0), kBatch);
  std::vector<int64_t> wrong = batch.classes;
  for (int64_t& y : wrong) y = 1 - y;
  EXPECT_EQ(whole.count_correct(batch.images, wrong, 0.01, 0), 0);
}

}  // namespace
}  // namespace ito::sde
