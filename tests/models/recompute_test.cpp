// Gradient checkpointing: the same bits for less memory; and what is predicted of memory on the
// device without data against what the CPU's allocator then counts.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "engine/autograd/autograd.h"
#include "engine/core/allocator.h"
#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/common/segment.h"
#include "kernels/matmul/op.h"
#include "kernels/reduce/op.h"
#include "kernels/unary/op.h"
#include "models/layer_table.h"
#include "models/make.h"

namespace ito::nn {
namespace {

Tensor ramp(const Shape& shape, double scale, DType dtype = DType::f32) {
  std::vector<double> values;
  for (int64_t i = 0; i < shape.numel(); ++i) {
    values.push_back(scale * std::sin(0.7 * static_cast<double>(i)));
  }
  return ops::cast(Tensor::from(values, shape), dtype);
}

void expect_same_bits(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.shape(), b.shape());
  EXPECT_EQ(std::memcmp(a.raw(), b.raw(), a.bytes()), 0);
}

struct Gradients {
  Tensors values;
  int64_t peak_bytes = 0;
};

/// Gradients of sum(y^2) by every parameter and by the input, with dropout.
Gradients gradients_of(Network& network, const Shape& shape, double label,
                       Activations activations) {
  Tensors wrt;
  for (const Parameter& p : parameters_of(network)) {
    *p.value = p.value->detach();
    wrt.push_back(p.value->set_requires_grad());
  }
  Tensor x = ramp(shape, 0.8);
  wrt.push_back(x.set_requires_grad());
  std::vector<int64_t> samples;
  for (int64_t i = 0; i < shape[0]; ++i) samples.push_back(i);
  const ForwardOptions options{.dropout = ForwardOptions::Dropout::on,
                               .seed = 3,
                               .step = 5,
                               .samples = Tensor::from(samples, {shape[0]}),
                               .activations = activations};
  Allocator& allocator = allocator_of(kCpu);
  allocator.reset_peak();
  const int64_t before = allocator.stats().live_bytes;
  const Tensor y = network.forward(x, Tensor::full({shape[0]}, label, DType::f32), options);
  Gradients result;
  result.values = grad(ops::sum(y * y), wrt, {.allow_unused = true});
  result.peak_bytes = allocator.stats().peak_bytes - before;
  return result;
}

void expect_same_gradients(const ModelConfig& model, const ImageConfig& image, double label) {
  const auto network = make_network(model, image, 7);
  const Shape shape{2, image.image_size, image.image_size, image.channels};
  const Gradients kept = gradients_of(*network, shape, label, Activations::keep);
  const Gradients again = gradients_of(*network, shape, label, Activations::recompute);
  ASSERT_EQ(kept.values.size(), again.values.size());
  for (size_t i = 0; i < kept.values.size(); ++i) {
    ASSERT_EQ(bool(kept.values[i]), bool(again.values[i]));
    if (kept.values[i]) expect_same_bits(kept.values[i], again.values[i]);
  }
  EXPECT_LT(footprint(*network, image, 2, Activations::recompute).training_bytes,
            footprint(*network, image, 2, Activations::keep).training_bytes);
}

ModelConfig unet() {
  ModelConfig model;
  model.nf = 16;
  model.ch_mult = {1, 2};
  model.num_res_blocks = 2;
  model.attn_resolutions = {8};
  model.init_scale = 1;
  return model;
}

TEST(Recompute, NcsnppGradientsHaveTheSameBits) {
  ModelConfig model = unet();
  model.fir = true;
  model.embedding_type = "fourier";
  model.scale_by_sigma = true;
  model.progressive_input = "residual";
  expect_same_gradients(model, {.image_size = 16, .channels = 3}, 0.7);
  model.progressive_input = "input_skip";
  model.progressive = "output_skip";
  expect_same_gradients(model, {.image_size = 16, .channels = 1}, 0.7);
}

TEST(Recompute, DdpmAndRefineNetGradientsHaveTheSameBits) {
  ModelConfig model = unet();
  model.name = "ddpm";
  model.nf = 32;
  expect_same_gradients(model, {.image_size = 16, .channels = 3}, 3);
  model.name = "ncsnv2_64";
  model.nf = 8;
  expect_same_gradients(model, {.image_size = 16, .channels = 3}, 3);
  model.name = "ncsn";
  expect_same_gradients(model, {.image_size = 16, .channels = 3, .num_scales = 10}, 3);
}

Tensor part_of(const Tensors& in, const Tensor& w) {
  return ops::tanh(ops::matmul(in[0], w)) * in[0];
}

/// d/dx |d/dx sum f(x)|^2, through the segment's own gradient.
Tensor second_order(Activations activations, const Tensor& w) {
  Tensor x = ramp({3, 4}, 0.5, DType::f64);
  x.set_requires_grad();
  const auto part = [w](const Tensors& in) { return part_of(in, w); };
  const Tensor y = segment(activations, {segment(activations, {x * 2.0}, part)}, part);
  const Tensor g = grad(ops::sum(y), {x}, {.create_graph = true})[0];
  return grad(ops::sum(g * g), {x, w})[1];
}

TEST(Recompute, SecondOrderThroughInputsAndLeaves) {
  Tensor w = ramp({4, 4}, 0.3, DType::f64);
  w.set_requires_grad();
  const Tensor kept = second_order(Activations::keep, w);
  const Tensor again = second_order(Activations::recompute, w);
  for (int64_t i = 0; i < kept.numel(); ++i) {
    EXPECT_GT(std::abs(kept.data<double>()[i]), 1e-4);
    EXPECT_NEAR(again.data<double>()[i], kept.data<double>()[i], 1e-13);  // sums of some 10 terms
  }
}

TEST(Recompute, RefusesHiddenHistory) {
  Tensor x = ramp({3, 4}, 0.5), w = ramp({4, 4}, 0.3);
  x.set_requires_grad();
  w.set_requires_grad();
  const Tensor hidden = w * 2.0;
  EXPECT_THROW(segment(Activations::recompute, {x},
                       [hidden](const Tensors& in) { return part_of(in, hidden); }),
               AutogradError);
}

/// Kernels' scratch memory is all that the prediction leaves out.
TEST(Footprint, IsWhatTheAllocatorCounts) {
  const ImageConfig image{.image_size = 64, .channels = 3};
  const auto network = make_network(unet(), image, 7);
  for (const Activations activations : {Activations::keep, Activations::recompute}) {
    const Footprint predicted = footprint(*network, image, 2, activations);
    const Gradients real = gradients_of(*network, {2, 64, 64, 3}, 3, activations);
    EXPECT_GT(real.peak_bytes, 0.9 * static_cast<double>(predicted.training_bytes));
    EXPECT_LT(real.peak_bytes, 1.3 * static_cast<double>(predicted.training_bytes));
  }
}

TEST(Footprint, TakesNoMemory) {
  ModelConfig model = unet();
  model.nf = 256;
  model.ch_mult = {1, 2, 4, 8};
  const ImageConfig image{.image_size = 256, .channels = 3};
  Allocator& allocator = allocator_of(kCpu);
  allocator.reset_peak();
  const int64_t before = allocator.stats().live_bytes;
  const auto network = make_network_shapes(model, image);
  const Footprint one = footprint(*network, image, 1), four = footprint(*network, image, 4);
  EXPECT_LT(allocator.stats().peak_bytes - before, 16 << 20);
  EXPECT_GT(count_parameters(*network, Training::trained), int64_t{500'000'000});
  EXPECT_EQ(four.flops, 4 * one.flops);
  EXPECT_GT(one.training_bytes, int64_t{4} << 30);
  const int64_t gradients = 4 * count_parameters(*network, Training::trained);
  EXPECT_LT(footprint(*network, image, 4, Activations::recompute).training_bytes - gradients,
            (four.training_bytes - gradients) / 2);
}

TEST(Meta, HasNoData) {
  const Tensor t = Tensor::zeros({1 << 20, 1 << 20}, DType::f32, kMeta);
  EXPECT_EQ((t + t).shape(), t.shape());
  EXPECT_THROW(t.to_vector<float>(), DeviceError);
  EXPECT_THROW(ops::sum(t).item(), DeviceError);
  EXPECT_THROW(ops::matmul(t, Tensor::zeros({3, 3}, DType::f32, kMeta)), ShapeError);
}

}  // namespace
}  // namespace ito::nn
