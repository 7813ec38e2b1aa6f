// The GPU kernels of matmul and convolution on the emulator, at sizes around their tiles, where the
// table of samples is too small to reach.
#include <gtest/gtest.h>

#include "engine/autograd/autograd.h"
#include "engine/autograd/call.h"
#include "kernels/conv2d/op.h"
#include "kernels/conv2d_dw/op.h"
#include "kernels/conv2d_dx/op.h"
#include "kernels/matmul/op.h"
#include "tests/kernels/exact.h"

namespace ito {

const OpInfo& op_matmul();
const OpInfo& op_conv2d();

namespace testing {
namespace {

class GpuProduct : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!is_available(kEmulated)) GTEST_SKIP() << "no emulator in this build";
  }
  const NoGradScope off_;
};

Tensor on_device(const Tensor& x) { return x.to(kEmulated); }
Tensor rows_of(const Tensor& x, int64_t first, int64_t count) {
  const int64_t row = x.numel() / x.size(0);
  return Tensor::view(x.storage(), static_cast<size_t>(first * row) * size_of(x.dtype()),
                      x.shape().with(0, count), x.dtype());
}

ops::MatmulAttrs transposed(bool a, bool b) {
  return {a ? ops::Transpose::yes : ops::Transpose::no,
          b ? ops::Transpose::yes : ops::Transpose::no};
}

// Both sides of both tile sizes, depths around one step and around the three tiles under way.
TEST_F(GpuProduct, MatmulIsExactOnIntegers) {
  struct Size {
    int64_t m, n, k;
  };
  for (const Size s : {Size{64, 64, 32},
                       {65, 63, 31},
                       {72, 136, 64},
                       {129, 65, 97},
                       {128, 128, 33},
                       {131, 200, 15},
                       {1, 130, 260},
                       {40, 24, 4104}}) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      for (int flags = 0; flags < 4; ++flags) {
        const bool ta = flags & 1, tb = flags & 2;
        const Tensor a = small_integers(ta ? Shape{s.k, s.m} : Shape{s.m, s.k}, dtype, 1);
        const Tensor b = small_integers(tb ? Shape{s.n, s.k} : Shape{s.k, s.n}, dtype, 2);
        const Tensor bias = small_integers({s.n}, dtype, 3);
        const Tensor host = ops::matmul(a, b, transposed(ta, tb), bias);
        const Tensor got =
            ops::matmul(on_device(a), on_device(b), transposed(ta, tb), on_device(bias));
        EXPECT_TRUE(same_bits(got.to(kCpu), host))
            << s.m << " x " << s.n << " x " << s.k << ", transposes " << flags;
      }
    }
  }
  EXPECT_GT(execution_counts(op_matmul(), DeviceKind::emulated).kernel, 0);
}

// One row alone goes through small tiles, many through large ones, here with a k cut into slices.
TEST_F(GpuProduct, RowsDependOnThemselvesAlone) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Tensor a = fractions({130, 2500}, dtype, 1), b = fractions({2500, 72}, dtype, 2);
    const Tensor all = ops::matmul(on_device(a), on_device(b)).to(kCpu);
    for (const int64_t row : {0, 63, 129}) {
      const Tensor one = ops::matmul(on_device(rows_of(a, row, 1)), on_device(b)).to(kCpu);
      EXPECT_TRUE(same_bits(one, rows_of(all, row, 1))) << row;
    }
  }
}

TEST_F(GpuProduct, ImagesDependOnThemselvesAlone) {
  const ops::Conv2dAttrs attrs{1, 1, 1, 1, 1, 1};
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Tensor x = fractions({3, 7, 7, 72}, dtype, 1), w = fractions({80, 3, 3, 72}, dtype, 2);
    const Tensor gy = fractions({3, 7, 7, 80}, dtype, 3);
    const Tensor y = ops::conv2d(on_device(x), on_device(w), {}, attrs).to(kCpu);
    const Tensor gx = ops::conv2d_dx(on_device(gy), on_device(w), x.shape(), attrs).to(kCpu);
    for (int64_t i = 0; i < 3; ++i) {
      const Tensor one = ops::conv2d(on_device(rows_of(x, i, 1)), on_device(w), {}, attrs);
      EXPECT_TRUE(same_bits(one.to(kCpu), rows_of(y, i, 1))) << i;
      const Tensor one_gx =
          ops::conv2d_dx(on_device(rows_of(gy, i, 1)), on_device(w), {1, 7, 7, 72}, attrs);
      EXPECT_TRUE(same_bits(one_gx.to(kCpu), rows_of(gx, i, 1))) << i;
    }
  }
}

// Channels that fill 16 bytes and channels that do not, in either operand; two slices of pixels in
// the weight gradient.
TEST_F(GpuProduct, ConvolutionIsExactOnIntegers) {
  struct Case {
    Shape x, w;
    ops::Conv2dAttrs attrs;
  };
  const ops::Conv2dAttrs same{1, 1, 1, 1, 1, 1};
  for (const Case& c :
       {Case{{2, 23, 24, 8}, {72, 3, 3, 8}, same}, Case{{1, 33, 32, 3}, {16, 3, 3, 3}, same},
        Case{{3, 6, 5, 72}, {3, 3, 3, 72}, same}, Case{{1, 12, 13, 8}, {80, 1, 1, 8}, {}},
        Case{{2, 13, 11, 72}, {8, 4, 2, 72}, {2, 1, 2, 1, 1, 0}},
        Case{{1, 17, 16, 12}, {68, 3, 3, 12}, {1, 3, 3, 3, 3, 3}}}) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const Tensor x = small_integers(c.x, dtype, 1), w = small_integers(c.w, dtype, 2);
      const Tensor y = ops::conv2d(x, w, {}, c.attrs), gy = small_integers(y.shape(), dtype, 3);
      const Tensor dx = on_device(x), dw = on_device(w), dgy = on_device(gy);
      SCOPED_TRACE(to_string(c.w));
      EXPECT_TRUE(same_bits(ops::conv2d(dx, dw, {}, c.attrs).to(kCpu), y));
      EXPECT_TRUE(same_bits(ops::conv2d_dx(dgy, dw, c.x, c.attrs).to(kCpu),
                            ops::conv2d_dx(gy, w, c.x, c.attrs)));
      EXPECT_TRUE(same_bits(ops::conv2d_dw(dx, dgy, c.w, c.attrs).to(kCpu),
                            ops::conv2d_dw(x, gy, c.w, c.attrs)));
    }
  }
  EXPECT_GT(execution_counts(op_conv2d(), DeviceKind::emulated).kernel, 0);
}

}  // namespace
}  // namespace testing
}  // namespace ito
