#include "kernels/matmul/op.h"

#include <gtest/gtest.h>

#include <functional>

#include "engine/autograd/autograd.h"
#include "engine/autograd/op_info.h"
#include "engine/core/allocator.h"
#include "engine/core/parallel.h"
#include "hwy/highway.h"
#include "tests/kernels/exact.h"

namespace ito {

const OpInfo& op_matmul();

namespace testing {
namespace {

constexpr DType kTypes[] = {DType::f32, DType::bf16, DType::f64};

ops::MatmulAttrs transposed(int a, int b) {
  return {a != 0 ? ops::Transpose::yes : ops::Transpose::no,
          b != 0 ? ops::Transpose::yes : ops::Transpose::no};
}

struct Size {
  int64_t m, n, k;
};

/// Runs check on sizes on both sides of every block: register rows 1..13, columns around vectors
/// and panels, depth around one step, several tiles.
void for_sizes(const std::function<void(const Size&)>& check) {
  for (const Size s : {Size{1, 1, 1},
                       {2, 15, 3},
                       {3, 16, 127},
                       {4, 17, 128},
                       {5, 31, 129},
                       {6, 32, 1},
                       {7, 33, 256},
                       {11, 63, 257},
                       {12, 64, 5},
                       {13, 65, 300},
                       {71, 127, 9},
                       {73, 128, 17},
                       {145, 129, 33},
                       {289, 257, 131}}) {
    check(s);
  }
}

void expect_exact_on_integers(DType dtype) {
  const NoGradScope off;
  for_sizes([&](const Size& s) {
    for (int form = 0; form < 4; ++form) {
      const int ta = form & 1, tb = form >> 1;
      const Shape a = ta ? Shape{s.k, s.m} : Shape{s.m, s.k};
      const Shape b = tb ? Shape{s.n, s.k} : Shape{s.k, s.n};
      const Tensors x = {small_integers(a, dtype, 1), small_integers(b, dtype, 2),
                         small_integers({s.n}, dtype, 3)};
      const ops::MatmulAttrs attrs = transposed(ta, tb);
      EXPECT_TRUE(
          same_bits(ops::matmul(x[0], x[1], attrs, x[2]), op_matmul().reference(x, &attrs)[0]))
          << s.m << "x" << s.n << "x" << s.k << " form " << form << " " << name_of(dtype);
    }
  });
}

TEST(Matmul, ExactOnIntegers) {
  for (const DType dtype : kTypes) expect_exact_on_integers(dtype);
}

// bf16 takes dot products of pairs where the processor has them, else it is widened.
TEST(Matmul, ExactOnIntegersWithoutAvx512) {
  hwy::DisableTargets(HWY_AVX3 | HWY_AVX3_DL);
  for (const DType dtype : kTypes) expect_exact_on_integers(dtype);
  hwy::DisableTargets(0);
}

// Weights that keep what is derived from them are packed once, and again after a change.
TEST(Matmul, KeptWeightsGiveTheSameBits) {
  const NoGradScope off;
  for (const DType dtype : kTypes) {
    for_sizes([&](const Size& s) {
      for (const int tb : {0, 1}) {
        const Tensor x = fractions({s.m, s.k}, dtype, 1);
        const Tensor w = fractions(tb ? Shape{s.n, s.k} : Shape{s.k, s.n}, dtype, 2);
        const Tensor kept = w.clone(), other = fractions(w.shape(), dtype, 3);
        kept.storage()->keep_derived();
        const ops::MatmulAttrs attrs = transposed(0, tb);
        for (int i = 0; i < 2; ++i) {
          EXPECT_TRUE(same_bits(ops::matmul(x, kept, attrs), ops::matmul(x, w, attrs)))
              << s.m << "x" << s.n << "x" << s.k << " form " << tb << " " << name_of(dtype);
        }
        kept.copy_from(other);
        EXPECT_TRUE(same_bits(ops::matmul(x, kept, attrs), ops::matmul(x, other, attrs)));
      }
    });
  }
}

// A square matrix is packed in another order for its transpose; two in one storage are told apart.
TEST(Matmul, KeptWeightsAreToldApart) {
  const NoGradScope off;
  const Tensor x = fractions({5, 40}, DType::f32, 1), both = fractions({2, 40, 40}, DType::f32, 2);
  const Tensor kept = both.clone();
  kept.storage()->keep_derived();
  for (int64_t i = 0; i < 2; ++i) {
    const Tensor w = row_of(both, i).alias({40, 40}), k = row_of(kept, i).alias({40, 40});
    for (const int tb : {0, 1}) {
      EXPECT_TRUE(
          same_bits(ops::matmul(x, k, transposed(0, tb)), ops::matmul(x, w, transposed(0, tb))))
          << i << " form " << tb;
    }
  }
}

// A row must not notice how many rows there are, nor where it stands among them.
TEST(Matmul, RowsDoNotDependOnTheBatch) {
  const NoGradScope off;
  for (const DType dtype : kTypes) {
    const Tensor w = fractions({75, 310}, dtype, 2), bias = fractions({75}, dtype, 3);
    for (const int64_t batch : {2, 7, 64, 333}) {
      const Tensor x = fractions({batch, 310}, dtype, 1);
      const Tensor y = ops::linear(x, w, bias);
      for (int64_t i = 0; i < batch; ++i) {
        ASSERT_TRUE(same_bits(row_of(y, i), ops::linear(row_of(x, i), w, bias)))
            << "row " << i << " of " << batch << " " << name_of(dtype);
      }
    }
  }
}

TEST(Matmul, BatchedProductsDoNotDependOnTheBatch) {
  const NoGradScope off;
  for (const DType dtype : kTypes) {
    const Tensor q = fractions({7, 67, 40}, dtype, 1), k = fractions({7, 67, 40}, dtype, 2);
    const Tensor all = ops::matmul(q, k, transposed(0, 1));
    for (int64_t i = 0; i < 7; ++i) {
      EXPECT_TRUE(
          same_bits(row_of(all, i), ops::matmul(row_of(q, i), row_of(k, i), transposed(0, 1))));
    }
  }
}

TEST(Matmul, ThreadsDoNotChangeABit) {
  const NoGradScope off;
  const int before = num_threads();
  const Tensor a = fractions({700, 130}, DType::f32, 1), b = fractions({130, 260}, DType::f32, 2);
  set_num_threads(1);
  const Tensor one = ops::matmul(a, b);
  for (const int threads : {2, 3, 5}) {
    set_num_threads(threads);
    EXPECT_TRUE(same_bits(one, ops::matmul(a, b))) << threads;
  }
  set_num_threads(before);
}

TEST(Matmul, LinearTakesVectorsAndStacks) {
  const Tensor w = small_integers({3, 5}, DType::f32, 1), bias = small_integers({3}, DType::f32, 2);
  const Tensor x = small_integers({2, 4, 5}, DType::f32, 3);
  const Tensor y = ops::linear(x, w, bias);
  EXPECT_EQ(y.shape(), (Shape{2, 4, 3}));
  const Tensor vector = x.alias({8, 5});
  const Tensor last = row_of(vector, 7).alias({5});
  EXPECT_EQ(ops::linear(last, w, bias).shape(), Shape{3});
  EXPECT_TRUE(same_bits(ops::linear(last, w, bias), row_of(y.alias({8, 3}), 7).alias({3})));
}

TEST(Matmul, AllocatesNothingInSteadyState) {
  const NoGradScope off;
  const Tensor a = fractions({300, 130}, DType::f32, 1), b = fractions({130, 60}, DType::f32, 2);
  ops::matmul(a, b);
  if (allocator_of(kCpu).stats().cached_bytes == 0) GTEST_SKIP() << "AddressSanitizer: no cache";
  const NoAllocScope none;
  EXPECT_NO_THROW(ops::matmul(a, b));
}

}  // namespace
}  // namespace testing
}  // namespace ito
