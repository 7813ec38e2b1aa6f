// Winograd's convolution against the plain one in double precision.
#include "kernels/conv2d/winograd.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>

#include "engine/autograd/autograd.h"
#include "engine/core/math_mode.h"
#include "engine/core/parallel.h"
#include "kernels/cast/op.h"
#include "kernels/conv2d/op.h"
#include "kernels/conv2d_dw/op.h"
#include "kernels/conv2d_dx/op.h"
#include "tests/kernels/conv_case.h"
#include "tests/kernels/exact.h"

namespace ito::testing {
namespace {

/// Whole tiles, parts of tiles, images smaller than a tile; few and many channels, in whole and
/// half panels; paddings from none to more than the taps reach; more tiles than a group of dw has.
std::vector<ConvCase> cases() {
  return {{{2, 8, 8, 32}, {32, 3, 3, 32}, kSame3},
          {{3, 5, 7, 16}, {48, 3, 3, 16}, kSame3},
          {{1, 1, 1, 16}, {16, 3, 3, 16}, kSame3},
          {{2, 2, 3, 64}, {16, 3, 3, 64}, kSame3},
          {{2, 9, 6, 48}, {80, 3, 3, 48}, {}},
          {{1, 6, 5, 32}, {112, 3, 3, 32}, {1, 1, 2, 0, 1, 3}},
          {{2, 4, 4, 16}, {16, 3, 3, 16}, {1, 1, 4, 3, 0, 2}},
          {{5, 13, 19, 96}, {64, 3, 3, 96}, kSame3},
          {{2, 11, 12, 272}, {144, 3, 3, 272}, kSame3},
          {{40, 16, 16, 128}, {256, 3, 3, 128}, kSame3}};
}

/// Operands of one case, and all directions by Winograd's algorithm.
struct Inputs {
  Tensor x, w, bias, gy;
};
struct Results {
  Tensor y, gx, gw;
};

Inputs inputs_of(const ConvCase& c, DType dtype) {
  return {fractions(c.x, dtype, 1), fractions(c.w, dtype, 2), fractions({c.w[0]}, dtype, 3),
          fractions(shape_of_y(c), dtype, 4)};
}

template <class T>
Results winograd(const ConvCase& c, const Inputs& in) {
  const Conv2dParams p = conv2d_params(in.x.shape(), c.w, c.attrs);
  const DType dtype = dtype_of<T>();
  const Results r{Tensor::empty(output_shape(p), dtype), Tensor::empty(in.x.shape(), dtype),
                  Tensor::empty(c.w, dtype)};
  const auto run = [&](ConvDirection direction, const Tensor& x, const Tensor& w, const Tensor& y,
                       const T* bias) {
    Launch launch(kCpu);
    conv2d_winograd(launch, direction, p,
                    Conv2dArrays<T>{x.data<T>(), w.data<T>(), y.data<T>(), bias});
  };
  run(ConvDirection::forward, in.x, in.w, r.y, in.bias.data<T>());
  run(ConvDirection::dx, r.gx, in.w, in.gy, nullptr);
  run(ConvDirection::dw, in.x, r.gw, in.gy, nullptr);
  return r;
}

double relative_error(const Tensor& got, const Tensor& expected) {
  const auto a = ops::cast(got, DType::f64).to_vector<double>();
  const auto b = expected.to_vector<double>();
  double difference = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(a[i] - b[i], 2);
    size += b[i] * b[i];
  }
  return std::sqrt(difference / size);
}

// The limit that docs/testing.md states: the transforms magnify float's rounding (2^-24) by the
// sums of their coefficients' sizes, (10 * 8.5 * 5/3)^2 in the worst element, some tens in the mean
// over an array. bf16 results are rounded once more, by at most 2^-8.
constexpr double kLimit = 1e-5, kBf16Rounding = 0x1p-8;

template <class T>
void expect_close(const ConvCase& c, double limit) {
  SCOPED_TRACE(to_string(c.x) + " * " + to_string(c.w) + " " + to_string(dtype_of<T>()));
  ASSERT_TRUE(winograd_fits(conv2d_params(c.x, c.w, c.attrs)));
  const Inputs in = inputs_of(c, dtype_of<T>());
  const auto wide = [](const Tensor& t) { return ops::cast(t, DType::f64); };
  const Tensor x = wide(in.x), w = wide(in.w), gy = wide(in.gy);
  const Results got = winograd<T>(c, in);
  EXPECT_LT(relative_error(got.y, ops::conv2d(x, w, wide(in.bias), c.attrs)), limit);
  EXPECT_LT(relative_error(got.gx, ops::conv2d_dx(gy, w, c.x, c.attrs)), limit);
  EXPECT_LT(relative_error(got.gw, ops::conv2d_dw(x, gy, c.w, c.attrs)), limit);
}

TEST(Winograd, AgreesWithThePlainConvolutionInDouble) {
  const NoGradScope off;
  for (const ConvCase& c : cases()) {
    expect_close<float>(c, kLimit);
    expect_close<BFloat16>(c, kLimit + kBf16Rounding);
  }
}

TEST(Winograd, AgreesWithThePlainConvolutionInDoubleWithAvx2) {
  const NoGradScope off;
  hwy::DisableTargets(HWY_AVX3 | HWY_AVX3_DL);
  for (const ConvCase& c : cases()) {
    expect_close<float>(c, kLimit);
    expect_close<BFloat16>(c, kLimit + kBf16Rounding);
  }
  hwy::DisableTargets(0);
}

TEST(Winograd, AnImageDoesNotDependOnItsBatch) {
  const NoGradScope off;
  for (const ConvCase& c : cases()) {
    SCOPED_TRACE(to_string(c.x) + " * " + to_string(c.w));
    const Inputs in = inputs_of(c, DType::f32);
    const int64_t last = c.x[0] - 1;
    const Results all = winograd<float>(c, in);
    const Results one =
        winograd<float>(c, {row_of(in.x, last), in.w, in.bias, row_of(in.gy, last)});
    EXPECT_TRUE(same_bits(one.y, row_of(all.y, last)));
    EXPECT_TRUE(same_bits(one.gx, row_of(all.gx, last)));
  }
}

TEST(Winograd, ThreadsChangeNothing) {
  const NoGradScope off;
  for (const ConvCase& c : cases()) {
    SCOPED_TRACE(to_string(c.x) + " * " + to_string(c.w));
    const Inputs in = inputs_of(c, DType::f32);
    set_num_threads(1);
    const Results alone = winograd<float>(c, in);
    set_num_threads(3);
    const Results shared = winograd<float>(c, in);
    set_num_threads(0);
    EXPECT_TRUE(same_bits(alone.y, shared.y));
    EXPECT_TRUE(same_bits(alone.gx, shared.gx));
    EXPECT_TRUE(same_bits(alone.gw, shared.gw));
  }
}

// Packed weights that their storage keeps are used until the weights change, and not after.
TEST(Winograd, KeptWeightsFollowTheirTensor) {
  const NoGradScope off;
  for (const MathMode mode : {MathMode::exact, MathMode::fast}) {
    set_math_mode(mode);
    const ConvCase c = cases().front();
    const Inputs in = inputs_of(c, DType::f32);
    const Tensor w = fractions(c.w, DType::f32, 2), other = fractions(c.w, DType::f32, 5);
    const auto results = [&](const Tensor& weights) {
      const Tensor y = ops::conv2d(in.x, weights, in.bias, c.attrs);
      return std::pair(y, ops::conv2d_dx(in.gy, weights, c.x, c.attrs));
    };
    const auto expect_equal = [](const auto& a, const auto& b) {
      EXPECT_TRUE(same_bits(a.first, b.first));
      EXPECT_TRUE(same_bits(a.second, b.second));
    };
    const auto plain = results(w), plain_other = results(other);
    w.storage()->keep_derived();
    expect_equal(results(w), plain);
    expect_equal(results(w), plain);
    w.copy_from(other);
    expect_equal(results(w), plain_other);
  }
  set_math_mode(MathMode::exact);
}

TEST(Winograd, FitsOnlyWhatItComputes) {
  const auto fits = [](const Shape& x, const Shape& w, const ops::Conv2dAttrs& a) {
    return winograd_fits(conv2d_params(x, w, a));
  };
  EXPECT_TRUE(fits({1, 8, 8, 32}, {16, 3, 3, 32}, kSame3));
  EXPECT_FALSE(fits({1, 8, 8, 32}, {16, 1, 1, 32}, {}));
  EXPECT_FALSE(fits({1, 8, 8, 3}, {16, 3, 3, 3}, kSame3));
  EXPECT_FALSE(fits({1, 8, 8, 32}, {3, 3, 3, 32}, kSame3));
  EXPECT_FALSE(fits({1, 8, 8, 32}, {16, 3, 3, 32}, {.stride = 2, .pad_top = 1}));
  EXPECT_FALSE(fits({1, 8, 8, 32}, {16, 3, 3, 32}, {.dilation = 2}));
}

}  // namespace
}  // namespace ito::testing
