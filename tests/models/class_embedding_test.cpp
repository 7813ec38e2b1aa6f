// Networks that are told a class: the table of classes, its gradients, and that nothing else in a
// network changes.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <set>

#include "engine/autograd/autograd.h"
#include "engine/random/noise.h"
#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/gather/op.h"
#include "kernels/reduce/op.h"
#include "kernels/unary/op.h"
#include "models/layers/time_embedding.h"
#include "models/make.h"

namespace ito::nn {
namespace {

constexpr int kClasses = 3;
constexpr const char* kTable = "embedding.classes";

struct Subject {
  const char* name;
  ModelConfig model;
  ImageConfig image;
};

ModelConfig model_of(const char* name, int nf) {
  return {.name = name,
          .nf = nf,
          .ch_mult = {1, 2},
          .num_res_blocks = 1,
          .attn_resolutions = {2},
          .dropout = 0.3,
          .init_scale = 1,
          .num_classes = kClasses};
}

std::vector<Subject> subjects() {
  std::vector<Subject> list{{"ncsnpp", model_of("ncsnpp", 4), {.image_size = 4, .channels = 3}},
                            {"fourier", model_of("ncsnpp", 4), {.image_size = 4, .channels = 1}},
                            {"ddpm", model_of("ddpm", 32), {.image_size = 2, .channels = 1}},
                            {"mlp", model_of("mlp", 8), {.image_size = 1, .channels = 2}},
                            {"energy", model_of("mlp", 8), {.image_size = 1, .channels = 2}}};
  list[1].model.embedding_type = "fourier";
  list[1].model.scale_by_sigma = true;
  list[4].model.energy = true;
  return list;
}

std::unique_ptr<Network> made(const Subject& s, DType dtype) {
  auto network = make_network(s.model, s.image, 5);
  convert(*network, dtype);
  return network;
}

Tensor images(const Subject& s, int64_t count, DType dtype) {
  Tensor x =
      Tensor::empty({count, s.image.image_size, s.image.image_size, s.image.channels}, DType::f32);
  fill_normal(x.span<float>(), {.seed = 11, .purpose = Purpose::data}, 0);
  return ops::cast(x, dtype);
}

Tensor labels(int64_t count, DType dtype) {
  std::vector<double> list;
  for (int64_t i = 0; i < count; ++i) list.push_back(0.5 + 0.75 * static_cast<double>(i));
  return ops::cast(Tensor::from(list, {count}), dtype);
}

Tensor indices(const std::vector<int64_t>& list) { return Tensor::from(list, {std::ssize(list)}); }

Parameter table_of(Network& network) {
  for (const Parameter& p : parameters_of(network)) {
    if (p.name == kTable) return p;
  }
  return {};
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

TEST(ClassEmbedding, IsTheRowAddedBeforeTheActivation) {
  const ModelConfig model = model_of("mlp", 4);
  Init init(3);
  TimeEmbedding embedding(init, model, kClasses);
  const Tensor time = labels(2, DType::f32);
  TimeEmbedding plain = embedding;
  plain.classes = {};
  plain.activation = embedding.activation = Activation::relu;  // so that a sum can be read back
  embedding.linear1->bias = Tensor::full({16}, 100, DType::f32);
  plain.linear1->bias = embedding.linear1->bias;
  const std::vector<float> base = plain(time, DType::f32).to_vector<float>();
  const std::vector<float> rows = embedding.classes.to_vector<float>();
  ASSERT_EQ(rows.size(), (kClasses + 1) * 16u);
  const auto expect_rows = [&](const Tensor& told, const std::vector<size_t>& row) {
    const std::vector<float> y = told.to_vector<float>();
    for (size_t i = 0; i < y.size(); ++i)
      EXPECT_EQ(y[i], base[i] + rows[row[i / 16] * 16 + i % 16]);
  };
  expect_rows(embedding(time, DType::f32, indices({2, 0})), {2, 0});
  expect_rows(embedding(time, DType::f32), {kClasses, kClasses});
  embedding.linear1->bias = Tensor::full({16}, -100, DType::f32);  // before the activation: zeros
  for (const float v : embedding(time, DType::f32).to_vector<float>()) EXPECT_EQ(v, 0);
}

TEST(ClassEmbedding, AddsOneTableAndNothingElse) {
  for (const Subject& s : subjects()) {
    SCOPED_TRACE(s.name);
    ModelConfig without = s.model;
    without.num_classes = 0;
    const auto told = made(s, DType::f32);
    const auto plain = make_network(without, s.image, 5);
    std::set<std::string> names;
    for (const Parameter& p : parameters_of(*told)) names.insert(p.name);
    for (const Parameter& p : parameters_of(*plain)) EXPECT_EQ(names.erase(p.name), 1u) << p.name;
    ASSERT_EQ(names, std::set<std::string>{kTable});
    EXPECT_EQ(table_of(*told).value->shape(), (Shape{kClasses + 1, 4 * s.model.nf}));
    EXPECT_EQ(told->classes(), kClasses);
    EXPECT_EQ(plain->classes(), 0);
    EXPECT_EQ(make_network_shapes(s.model, s.image)->classes(), kClasses);
    // With equal weights and a row of zeros the two are the same function, bit for bit.
    std::map<std::string, Tensor> values;
    for (const Parameter& p : parameters_of(*told)) values[p.name] = *p.value;
    for (const Parameter& p : parameters_of(*plain)) *p.value = values.at(p.name);
    const Tensor x = images(s, 2, DType::f32), t = labels(2, DType::f32);
    EXPECT_FALSE(same_bits(told->forward(x, t), plain->forward(x, t)));
    *table_of(*told).value = Tensor::zeros({kClasses + 1, 4 * s.model.nf}, DType::f32);
    EXPECT_TRUE(same_bits(told->forward(x, t), plain->forward(x, t)));
    EXPECT_THROW(plain->forward(x, t, {.classes = indices({0, 1})}), ValueError);
    EXPECT_THROW(told->forward(x, t, {.classes = indices({0, kClasses + 1})}), ValueError);
    EXPECT_THROW(told->forward(x, t, {.classes = indices({0, -1})}), ValueError);
  }
}

TEST(ClassEmbedding, EveryClassDrawsItsOwnAndNoBatchMatters) {
  const std::vector<int64_t> classes{1, 0, kClasses, 2, 1};
  for (const Subject& s : subjects()) {
    SCOPED_TRACE(s.name);
    const auto network = made(s, DType::f32);
    const Tensor x = images(s, 5, DType::f32), t = labels(5, DType::f32);
    const Tensor all = network->forward(x, t, {.classes = indices(classes)});
    for (int64_t i = 0; i < 5; ++i) {
      const Tensor at = indices({i}), xi = ops::gather(x, at), ti = ops::gather(t, at);
      std::vector<Tensor> each;
      for (int64_t y = 0; y <= kClasses; ++y) {
        each.push_back(network->forward(xi, ti, {.classes = indices({y})}));
        EXPECT_EQ(same_bits(ops::gather(all, at), each.back()),
                  y == classes[static_cast<size_t>(i)]);
      }
      EXPECT_TRUE(same_bits(network->forward(xi, ti), each.back())) << "none, said or not";
    }
  }
}

/// (f(p + h v) - f(p - h v)) / 2h against gradient . v, for a random v.
void expect_slope(Tensor& p, const Tensor& gradient, const std::function<double()>& f,
                  const std::string& name) {
  constexpr double kStep = 1e-5;
  Init init(23);
  const Tensor v = ops::cast(init.normal(p.shape(), 1), DType::f64), start = p.clone();
  const auto at = [&](double h) {
    p.detach().copy_from(start + h * v);
    return f();
  };
  const double slope = (at(kStep) - at(-kStep)) / (2 * kStep);
  at(0);
  const double expected = ops::sum(gradient * v).item();
  // Differences of a loss of order 1 to 100 round to 1e-14 / h, and err by h^2 times its third
  // derivative.
  EXPECT_NEAR(slope, expected, 1e-7 + 1e-6 * std::abs(expected)) << name;
}

TEST(ClassEmbedding, GradientsAreSlopes) {
  for (const Subject& s : subjects()) {
    SCOPED_TRACE(s.name);
    const auto network = made(s, DType::f64);
    const Tensor x = images(s, 4, DType::f64), t = labels(4, DType::f64);
    const ForwardOptions options{.classes = indices({2, kClasses, 0, 2})};  // twice 2, never 1
    const auto loss = [&] { return ops::mean(ops::square(network->forward(x, t, options) - 0.3)); };
    std::vector<Parameter> parameters;
    Tensors wrt;
    for (const Parameter& p : parameters_of(*network)) {
      if (p.training != Training::trained) continue;
      parameters.push_back(p);
      wrt.push_back(p.value->set_requires_grad());
    }
    const Tensors gradients = grad(loss(), wrt, {.allow_unused = true});
    int tables = 0;
    for (size_t i = 0; i < parameters.size(); ++i) {
      if (!gradients[i]) continue;  // the energy does not depend on it
      expect_slope(
          *parameters[i].value, gradients[i], [&] { return loss().item(); }, parameters[i].name);
      if (parameters[i].name != kTable) continue;
      ++tables;
      const std::vector<double> rows = gradients[i].to_vector<double>();
      for (size_t k = 0; k < rows.size(); ++k) {
        EXPECT_EQ(rows[k] == 0, static_cast<int>(k) / (4 * s.model.nf) == 1) << k;
      }
    }
    EXPECT_EQ(tables, 1);
  }
}

TEST(ClassEmbedding, RecomputedGradientsHaveTheSameBits) {
  for (const Subject& s : subjects()) {
    if (s.model.energy) continue;  // recomputing is for first derivatives
    SCOPED_TRACE(s.name);
    const auto network = made(s, DType::f32);
    Tensors wrt;
    for (const Parameter& p : parameters_of(*network)) wrt.push_back(p.value->set_requires_grad());
    const auto gradients = [&](Activations activations) {
      const Tensor y = network->forward(images(s, 3, DType::f32), labels(3, DType::f32),
                                        {.dropout = ForwardOptions::Dropout::on,
                                         .seed = 3,
                                         .step = 5,
                                         .samples = indices({0, 1, 2}),
                                         .activations = activations,
                                         .classes = indices({0, kClasses, 0})});
      return grad(ops::sum(y * y), wrt, {.allow_unused = true});
    };
    const Tensors kept = gradients(Activations::keep), again = gradients(Activations::recompute);
    for (size_t i = 0; i < kept.size(); ++i) {
      ASSERT_EQ(bool(kept[i]), bool(again[i]));
      EXPECT_TRUE(!kept[i] || same_bits(kept[i], again[i])) << i;
    }
  }
}

TEST(ClassEmbedding, ConfigurationsThatTakeNoClassAreRefused) {
  const auto refused = [](const std::function<void(ModelConfig&)>& change) {
    ModelConfig model = model_of("ncsnpp", 8);
    EXPECT_NO_THROW(model.validate());
    change(model);
    EXPECT_THROW(model.validate(), UserError);
  };
  refused([](ModelConfig& m) { m.name = "ncsnv2_64"; });
  refused([](ModelConfig& m) { m.name = "ncsn"; });
  refused([](ModelConfig& m) { m.conditional = false; });
  refused([](ModelConfig& m) { m.num_classes = -1; });
  refused([](ModelConfig& m) { m.num_classes = 257; });
}

}  // namespace
}  // namespace ito::nn
