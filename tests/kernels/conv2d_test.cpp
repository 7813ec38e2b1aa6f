#include "kernels/conv2d/op.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "engine/autograd/autograd.h"
#include "engine/autograd/op_info.h"
#include "engine/core/allocator.h"
#include "engine/core/parallel.h"
#include "kernels/common/onednn.h"
#include "kernels/conv2d_dw/op.h"
#include "kernels/conv2d_dx/op.h"
#include "tests/kernels/conv_case.h"
#include "tests/kernels/exact.h"

namespace ito {

const OpInfo& op_conv2d();
const OpInfo& op_conv2d_dx();
const OpInfo& op_conv2d_dw();

namespace testing {
namespace {

/// Shapes that networks use: first and last layers, small and large images, both samplings.
std::vector<ConvCase> network_cases() {
  return {
      {{7, 16, 16, 32}, {32, 3, 3, 32}, kSame3},
      {{7, 16, 16, 32}, {64, 3, 3, 32}, kSame3},
      {{7, 32, 32, 3}, {48, 3, 3, 3}, kSame3},
      {{7, 28, 28, 1}, {32, 3, 3, 1}, kSame3},
      {{7, 16, 16, 32}, {1, 3, 3, 32}, kSame3},
      {{7, 16, 17, 24}, {3, 3, 3, 24}, kSame3},
      {{7, 8, 8, 96}, {64, 1, 1, 96}, {}},
      {{7, 16, 16, 24}, {40, 3, 3, 24}, {.stride = 2, .pad_bottom = 1, .pad_right = 1}},
      {{7, 4, 4, 128}, {64, 3, 3, 128}, kSame3},
      // Few pixels and many weights: our own product, in several tiles of rows at 64 images.
      {{7, 4, 4, 256}, {130, 3, 3, 256}, kSame3},
      {{7, 4, 3, 129}, {257, 3, 3, 129}, kSame3},
      {{7, 1, 1, 128}, {128, 3, 3, 128}, kSame3},
      {{7, 5, 4, 160}, {200, 2, 3, 160}, {.pad_top = 2, .pad_left = 1}},
      {{7, 7, 8, 300}, {420, 3, 3, 300}, {1, 2, 2, 2, 2, 2}},
      {{37, 24, 24, 3}, {8, 3, 3, 3}, kSame3},                // several images in each partial sum
      {{7, 36, 35, 64}, {64, 3, 3, 64}, kSame3},              // several bands
      {{7, 5, 4, 272}, {304, 3, 3, 272}, kSame3},             // channels that lie far apart
      {{7, 9, 8, 48}, {20, 3, 3, 48}, {.stride = 2, .pad_top = 1, .pad_left = 1}},
      {{7, 41, 36, 33}, {96, 3, 3, 33}, {1, 2, 2, 2, 2, 2}},  // several bands, dilated
  };
}

struct Results {
  Tensor y, gx, gw;
};

Results run(const ConvCase& c, const Tensor& x, const Tensor& w, const Tensor& bias,
            const Tensor& gy) {
  return {ops::conv2d(x, w, bias, c.attrs), ops::conv2d_dx(gy, w, x.shape(), c.attrs),
          ops::conv2d_dw(x, gy, w.shape(), c.attrs)};
}

/// Every combination of small sizes that the attributes allow, thinned by a stride that is prime to
/// all counts, so that each value meets each other.
std::vector<ConvCase> small_cases() {
  std::vector<ConvCase> list;
  int count = 0;
  for (const int64_t ci : {1, 3, 8, 17}) {
    for (const int64_t co : {1, 5, 16, 33}) {
      for (const int64_t kernel : {1, 2, 3, 5}) {
        for (const int stride : {1, 2, 3}) {
          for (const int dilation : {1, 2, 3}) {
            for (const int pad : {0, 1, 2, 4}) {
              if (++count % 7 != 0) continue;
              const ops::Conv2dAttrs a{stride,    dilation,          pad,
                                       count % 3, (count + pad) % 4, count % 2};
              const int64_t least = dilation * (kernel - 1) + 1;
              const int64_t h = least + count % 6, w = least + count % 5;
              list.push_back({{2, h, w, ci}, {co, kernel, kernel, ci}, a});
            }
          }
        }
      }
    }
  }
  return list;
}

std::string name_of(const ConvCase& c) {
  const ops::Conv2dAttrs& a = c.attrs;
  return to_string(c.x) + " * " + to_string(c.w) + " stride " + std::to_string(a.stride) +
         " dilation " + std::to_string(a.dilation) + " padding " + std::to_string(a.pad_top) + "," +
         std::to_string(a.pad_left) + "," + std::to_string(a.pad_bottom) + "," +
         std::to_string(a.pad_right);
}

/// Library and portable path against the plain loops, bit for bit.
void expect_exact(const ConvCase& c, DType dtype) {
  SCOPED_TRACE(name_of(c) + " " + std::string(name_of(dtype)));
  const Tensor x = small_integers(c.x, dtype, 1), w = small_integers(c.w, dtype, 2);
  const Tensor bias = small_integers({c.w[0]}, dtype, 3);
  const Tensor gy = small_integers(shape_of_y(c), dtype, 4);
  const ops::Conv2dDxAttrs dx{c.attrs, c.x};
  const ops::Conv2dDwAttrs dw{c.attrs, c.w};
  const Results plain = {op_conv2d().reference({x, w, bias}, &c.attrs)[0],
                         op_conv2d_dx().reference({gy, w}, &dx)[0],
                         op_conv2d_dw().reference({x, gy}, &dw)[0]};
  const auto expect_equal = [&](const Results& got, const char* path) {
    EXPECT_TRUE(same_bits(got.y, plain.y)) << "forward " << path;
    EXPECT_TRUE(same_bits(got.gx, plain.gx)) << "dx " << path;
    EXPECT_TRUE(same_bits(got.gw, plain.gw)) << "dw " << path;
  };
  expect_equal(run(c, x, w, bias, gy), "usual");
  const PortableKernelsScope portable;
  expect_equal(run(c, x, w, bias, gy), "portable");
}

TEST(Conv2d, ExactOnIntegersForEveryStrideDilationAndPadding) {
  const NoGradScope off;
  for (const ConvCase& c : small_cases()) {
    for (const DType dtype : {DType::f32, DType::bf16}) expect_exact(c, dtype);
  }
}

TEST(Conv2d, ExactOnIntegersForShapesOfNetworks) {
  const NoGradScope off;
  for (ConvCase c : network_cases()) {
    c.x = c.x.with(0, 3);
    for (const DType dtype : {DType::f32, DType::bf16}) expect_exact(c, dtype);
  }
}

// Found by random search over shapes: here oneDNN 2.6.3 reads or writes memory that is not its own.
TEST(Conv2d, ExactWhereTheLibraryIsNot) {
  const NoGradScope off;
  const std::vector<ConvCase> cases = {
      {{2, 12, 12, 3}, {64, 1, 1, 3}, {.stride = 2}},
      {{2, 20, 6, 3}, {33, 1, 1, 3}, {.stride = 2}},
      {{3, 1, 10, 128}, {128, 5, 5, 128}, {1, 1, 2, 2, 2, 2}},
      {{1, 12, 20, 32}, {1, 1, 1, 32}, {}},
      {{2, 9, 7, 33}, {64, 5, 5, 33}, {1, 2, 4, 4, 4, 4}},
      {{2, 3, 2, 8}, {33, 2, 2, 8}, {3, 1, 0, 1, 1, 1}},
      {{3, 21, 2, 64}, {8, 5, 5, 64}, {3, 1, 2, 2, 1, 2}},
  };
  for (const ConvCase& c : cases) {
    for (const DType dtype : {DType::f32, DType::bf16}) expect_exact(c, dtype);
  }
}

// Kept weights serve later calls, in either order, until they are written to.
TEST(Conv2d, KeptWeightsFollowTheirSource) {
  const NoGradScope off;
  for (const ConvCase& c : network_cases()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      SCOPED_TRACE(name_of(c) + " " + std::string(name_of(dtype)));
      const Tensor x = fractions(c.x, dtype, 1), gy = fractions(shape_of_y(c), dtype, 4);
      const Tensor w = fractions(c.w, dtype, 2), other = fractions(c.w, dtype, 5);
      const auto expect_equal = [&](const Tensor& a, const Tensor& b) {
        EXPECT_TRUE(same_bits(ops::conv2d(x, a, {}, c.attrs), ops::conv2d(x, b, {}, c.attrs)));
        EXPECT_TRUE(
            same_bits(ops::conv2d_dx(gy, a, c.x, c.attrs), ops::conv2d_dx(gy, b, c.x, c.attrs)));
      };
      const Tensor kept = Tensor::empty(c.w, dtype);
      kept.storage()->keep_derived();
      for (const Tensor& source : {w, other}) {
        kept.copy_from(source);
        for (int call = 0; call < 2; ++call) expect_equal(kept, source);
      }
    }
  }
}

// One image's result must not notice the others.
TEST(Conv2d, ImagesDoNotDependOnTheBatch) {
  const NoGradScope off;
  for (const ConvCase& c : network_cases()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      SCOPED_TRACE(name_of(c) + " " + std::string(name_of(dtype)));
      const Tensor w = fractions(c.w, dtype, 2), bias = fractions({c.w[0]}, dtype, 3);
      for (const int64_t batch : {7, 64}) {
        if (batch > 7 && c.x.numel() > 100000) continue;
        const Shape xs = c.x.with(0, batch), ys = shape_of_y(c).with(0, batch);
        const Tensor x = fractions(xs, dtype, 1), gy = fractions(ys, dtype, 4);
        const Tensor y = ops::conv2d(x, w, bias, c.attrs);
        const Tensor gx = ops::conv2d_dx(gy, w, xs, c.attrs);
        for (int64_t i = 0; i < batch; ++i) {
          ASSERT_TRUE(same_bits(row_of(y, i), ops::conv2d(row_of(x, i), w, bias, c.attrs))) << i;
          ASSERT_TRUE(
              same_bits(row_of(gx, i), ops::conv2d_dx(row_of(gy, i), w, xs.with(0, 1), c.attrs)))
              << i;
        }
      }
    }
  }
}

TEST(Conv2d, ThreadsDoNotChangeABit) {
  const NoGradScope off;
  const int before = num_threads();
  for (const ConvCase& c : network_cases()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      SCOPED_TRACE(name_of(c) + " " + std::string(name_of(dtype)));
      const Tensor x = fractions(c.x, dtype, 1), w = fractions(c.w, dtype, 2);
      const Tensor bias = fractions({c.w[0]}, dtype, 3), gy = fractions(shape_of_y(c), dtype, 4);
      set_num_threads(1);
      const Results one = run(c, x, w, bias, gy);
      for (const int threads : {2, 3}) {
        set_num_threads(threads);
        const Results many = run(c, x, w, bias, gy);
        EXPECT_TRUE(same_bits(one.y, many.y)) << "forward, threads " << threads;
        EXPECT_TRUE(same_bits(one.gx, many.gx)) << "dx, threads " << threads;
        EXPECT_TRUE(same_bits(one.gw, many.gw)) << "dw, threads " << threads;
      }
    }
  }
  set_num_threads(before);
}

int64_t threads_of_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return std::distance(begin(tasks), end(tasks));
}

// oneDNN's OpenMP must neither start workers nor see its setting changed by us.
TEST(Conv2d, StartsNoOpenMpThreads) {
  if (!onednn_available()) GTEST_SKIP() << "built without oneDNN";
  const NoGradScope off;
  const auto max_threads = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_max_threads"));
  const auto set_threads =
      reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
  if (max_threads == nullptr || set_threads == nullptr) GTEST_SKIP() << "oneDNN without OpenMP";
  const int before = num_threads(), setting = max_threads();
  set_num_threads(1);
  set_threads(3);
  const int64_t threads = threads_of_process();
  // A shape of its own, so that its primitives are created here.
  const ConvCase c{{4, 20, 21, 48}, {48, 3, 3, 48}, kSame3};
  run(c, fractions(c.x, DType::f32, 1), fractions(c.w, DType::f32, 2), {},
      fractions(shape_of_y(c), DType::f32, 4));
  EXPECT_EQ(threads_of_process(), threads);
  EXPECT_EQ(max_threads(), 3);
  set_threads(setting);
  set_num_threads(before);
}

// More configurations than are remembered: forgotten ones are set up again.
TEST(Conv2d, ManyConfigurations) {
  const NoGradScope off;
  const Tensor w = small_integers({2, 1, 1, 2}, DType::f32, 2);
  const auto result = [&](int64_t h, int64_t width) {
    return ops::conv2d(small_integers({1, h, width, 2}, DType::f32, 1), w, {});
  };
  const Tensor first = result(1, 1);
  for (int64_t i = 1; i < 600; ++i) result(1 + i % 25, 1 + i / 25);
  EXPECT_TRUE(same_bits(first, result(1, 1)));
}

TEST(Conv2d, SeveralCallersAtOnce) {
  const ConvCase c{{3, 9, 11, 16}, {16, 3, 3, 16}, kSame3};
  const Tensor x = fractions(c.x, DType::f32, 1), w = fractions(c.w, DType::f32, 2);
  const Tensor gy = fractions(shape_of_y(c), DType::f32, 4);
  Results results[4];
  std::vector<std::thread> callers;
  for (Results& r : results) {
    callers.emplace_back([&] {
      const NoGradScope off;
      for (int i = 0; i < 20; ++i) r = run(c, x, w, {}, gy);
    });
  }
  for (std::thread& t : callers) t.join();
  for (const Results& r : results) {
    EXPECT_TRUE(same_bits(r.y, results[0].y));
    EXPECT_TRUE(same_bits(r.gx, results[0].gx));
    EXPECT_TRUE(same_bits(r.gw, results[0].gw));
  }
}

TEST(Conv2d, AllocatesNothingInSteadyState) {
  const NoGradScope off;
  const ConvCase c{{5, 12, 12, 32}, {64, 3, 3, 32}, kSame3};
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    const Tensor x = fractions(c.x, dtype, 1), w = fractions(c.w, dtype, 2);
    const Tensor gy = fractions(shape_of_y(c), dtype, 4);
    run(c, x, w, {}, gy);
    if (allocator_of(kCpu).stats().cached_bytes == 0) GTEST_SKIP() << "AddressSanitizer: no cache";
    const NoAllocScope none;
    EXPECT_NO_THROW(run(c, x, w, {}, gy)) << name_of(dtype);
  }
}

}  // namespace
}  // namespace testing
}  // namespace ito
