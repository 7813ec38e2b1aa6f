// The GPU kernels of element-wise ops, data movement and reductions on the emulator: bits of the
// CPU where nothing rounds, over shapes and alignments that the table of samples does not reach;
// and bits of a sample that do not depend on its batch.
#include <gtest/gtest.h>

#include <cstring>

#include "engine/autograd/autograd.h"
#include "engine/autograd/call.h"
#include "engine/core/device.h"
#include "kernels/binary/op.h"
#include "kernels/broadcast_to/op.h"
#include "kernels/cast/op.h"
#include "kernels/common/op_table.h"
#include "kernels/concat/op.h"
#include "kernels/dropout/op.h"
#include "kernels/gather/op.h"
#include "kernels/mean_pool/op.h"
#include "kernels/pad/op.h"
#include "kernels/permute/op.h"
#include "kernels/reduce/op.h"
#include "kernels/scatter_add/op.h"
#include "kernels/slice/op.h"
#include "kernels/softmax/op.h"
#include "kernels/unary/op.h"
#include "kernels/upsample_nearest/op.h"
#include "tests/kernels/exact.h"

namespace ito::testing {
namespace {

class GpuElementwise : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!is_available(kEmulated)) GTEST_SKIP() << "no emulator in this build";
    fallbacks_ = fallbacks();
  }
  /// The CPU's kernels would agree with themselves.
  void TearDown() override { EXPECT_EQ(fallbacks(), fallbacks_); }

 private:
  static int64_t fallbacks() {
    int64_t count = 0;
    for (const OpInfo* op : op_table()) {
      const ExecutionCounts c = execution_counts(*op, DeviceKind::emulated);
      count += c.cpu_fallback + c.reference_fallback;
    }
    return count;
  }

  const NoGradScope off_;
  int64_t fallbacks_ = 0;
};

constexpr DType kEveryDtype[] = {DType::f32, DType::bf16, DType::f64,
                                 DType::i32, DType::i64,  DType::u8};

/// 0, 1, 2, ... modulo a prime below 256: exact in every dtype, and no period of a shape.
Tensor counted(const Shape& shape, DType dtype) {
  std::vector<float> values(static_cast<size_t>(shape.numel()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 251);
  return ops::cast(Tensor::from(values, shape), dtype);
}
/// The same values on the device, `skipped` elements behind an aligned address.
Tensor shifted(const Tensor& x, int64_t skipped) {
  const size_t offset = static_cast<size_t>(skipped) * size_of(x.dtype());
  const Tensor wide = Tensor::zeros({x.numel() + skipped}, x.dtype());
  std::memcpy(static_cast<char*>(wide.raw()) + offset, x.raw(), x.bytes());
  const Tensor there = wide.to(kEmulated);
  return Tensor::view(there.storage(), offset, x.shape(), x.dtype());
}
Tensor sample_of(const Tensor& x, int64_t n) { return ops::slice(x, 0, n, n + 1); }

void expect_same_bits(const Tensor& there, const Tensor& here, const std::string& what) {
  EXPECT_TRUE(testing::same_bits(there.to(kCpu), here)) << what;
}

/// f gives the same bits for inputs on the CPU and on the device, at any alignment.
template <class F>
void expect_bits_of_cpu(const Tensor& x, const F& f, const std::string& what) {
  const Tensor here = f(x);
  for (const int64_t skipped : {0, 1, 4}) {
    expect_same_bits(f(shifted(x, skipped)), here,
                     what + " " + describe(x) + " from element " + std::to_string(skipped));
  }
}

// Tiles of 32 x 32 with ragged ends, thin planes, whole words of 16 bytes, and batches of planes.
TEST_F(GpuElementwise, PermuteMovesBits) {
  struct Case {
    Shape shape;
    std::vector<int> axes;
  };
  for (const Case& c : {Case{{33, 65}, {1, 0}},
                        {{64, 32}, {1, 0}},
                        {{8, 31}, {1, 0}},
                        {{7, 100}, {1, 0}},
                        {{2, 3, 40, 9}, {0, 2, 3, 1}},
                        {{2, 40, 9, 3}, {0, 3, 1, 2}},
                        {{3, 34, 2, 35}, {3, 2, 1, 0}},
                        {{2, 9, 3, 16}, {0, 2, 1, 3}},
                        {{4, 33, 5, 8}, {1, 3, 0, 2}},
                        {{2, 9, 2, 3, 2, 10}, {5, 1, 3, 0, 4, 2}}}) {
    for (const DType dtype : kEveryDtype) {
      expect_bits_of_cpu(
          counted(c.shape, dtype), [&](const Tensor& x) { return ops::permute(x, c.axes); },
          "permute");
    }
  }
}

TEST_F(GpuElementwise, SliceConcatPadGatherMoveBits) {
  for (const int64_t inner : {1, 3, 8, 48}) {
    for (const DType dtype : kEveryDtype) {
      const Tensor x = counted({5, 6, inner}, dtype);
      const std::vector<int64_t> list = {4, 0, 0, 3, 1, 2, 4};
      const Tensor index = Tensor::from(list, {7});
      expect_bits_of_cpu(
          x, [](const Tensor& t) { return ops::slice(t, 1, 2, 5); }, "slice");
      expect_bits_of_cpu(
          x,
          [](const Tensor& t) {
            return ops::concat({t, ops::slice(t, 1, 1, 2), t}, 1);
          },
          "concat");
      expect_bits_of_cpu(
          x,
          [](const Tensor& t) {
            return ops::concat({t, ops::slice(t, 2, 0, 1)}, 2);
          },
          "concat");
      expect_bits_of_cpu(
          x, [](const Tensor& t) { return ops::pad(t, 1, 2, 1); }, "pad");
      expect_bits_of_cpu(
          x, [&](const Tensor& t) { return ops::gather(t, index.to(t.device())); }, "gather");
    }
  }
}

TEST_F(GpuElementwise, ResamplingHasTheBitsOfTheCpu) {
  for (const int64_t channels : {1, 3, 8, 20}) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const Tensor x = counted({2, 6, 12, channels}, dtype);
      for (const int64_t k : {1, 2, 3}) {
        expect_bits_of_cpu(
            x, [&](const Tensor& t) { return ops::upsample_nearest(t, k); }, "upsample");
        expect_bits_of_cpu(
            x, [&](const Tensor& t) { return ops::mean_pool(t, k); }, "mean_pool");
      }
    }
  }
}

// Every way for axes to merge, repeat and be cut into 16 bytes.
TEST_F(GpuElementwise, BroadcastingHasTheBitsOfTheCpu) {
  for (const int64_t inner : {1, 5, 16}) {
    for (int repeated = 0; repeated < 64; ++repeated) {
      const auto size = [&](int bit, int64_t n) { return (repeated >> bit & 1) != 0 ? 1 : n; };
      const Shape a{size(0, 3), size(1, 2), size(2, inner)};
      const Shape b{size(3, 3), size(4, 2), size(5, inner)};
      for (const DType dtype : {DType::f32, DType::bf16}) {
        const Tensor right = counted(b, dtype);
        expect_bits_of_cpu(
            counted(a, dtype), [&](const Tensor& t) { return t - right.to(t.device()); }, "sub");
      }
      for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
        expect_bits_of_cpu(
            counted(a, dtype),
            [&](const Tensor& t) {
              return ops::broadcast_to(t, {3, 2, inner});
            },
            "broadcast_to");
      }
    }
  }
}

// Long arrays of any length end in a tail of single elements.
TEST_F(GpuElementwise, TailsHaveTheBitsOfTheCpu) {
  for (const int64_t n : {1, 7, 255, 256, 1023, 1024, 1029, 4099}) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      expect_bits_of_cpu(
          counted({n}, dtype), [](const Tensor& t) { return ops::linear_map(t, 0.5, 1.25); },
          "linear");
      expect_bits_of_cpu(
          counted({n}, dtype), [](const Tensor& t) { return t + t; }, "add");
    }
  }
}

TEST_F(GpuElementwise, DropoutHasTheBitsOfTheCpu) {
  const ops::DropoutAttrs attrs{0.3, {.seed = 5, .purpose = Purpose::dropout, .step = 2}};
  const std::vector<int64_t> list = {4294967295, 0, 12};
  for (const int64_t elements : {1, 3, 4, 8, 30, 2056}) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      expect_bits_of_cpu(
          counted({3, elements}, dtype),
          [&](const Tensor& t) {
            return ops::dropout(t, Tensor::from(list, {3}).to(t.device()), attrs);
          },
          "dropout");
    }
  }
}

// Small integers have exact sums in any order: only a value lost or counted twice shows.
TEST_F(GpuElementwise, SumsOfIntegersAreExact) {
  const auto equal = [](const Tensor& x, const std::vector<int>& axes) {
    for (const auto kind : {ops::ReduceKind::sum, ops::ReduceKind::maximum}) {
      expect_bits_of_cpu(
          x, [&](const Tensor& t) { return ops::reduce(kind, t, axes); }, "reduce");
    }
  };
  for (const int64_t count : {1, 2, 6, 31, 33, 128, 1000, 1025, 4097, 16385, 40008}) {
    equal(small_integers({3, count}, DType::f32, 1), {1});
    equal(small_integers({40, std::min<int64_t>(count, 40)}, DType::f32, 2), {1});
    equal(small_integers({2, std::min<int64_t>(count, 4097), 3}, DType::f32, 3), {1});
  }
  for (const int64_t inner : {2, 7, 8, 31, 64, 129, 516}) {
    for (const int64_t count : {1, 5, 63, 129, 700}) {
      equal(small_integers({2, count, inner}, DType::f32, 4), {1});
    }
  }
}

TEST_F(GpuElementwise, ScatterAddOfIntegersIsExact) {
  for (const int64_t count : {1, 7, 8, 2047, 2049, 4500}) {
    std::vector<int64_t> list;
    for (int64_t m = 0; m < count; ++m) list.push_back(m * m % 7);
    const Tensor index = Tensor::from(list, {count});
    for (const int64_t row : {1, 4, 6}) {
      expect_bits_of_cpu(
          small_integers({count, row}, DType::f32, 5),
          [&](const Tensor& t) { return ops::scatter_add(t, index.to(t.device()), 7); },
          "scatter_add");
    }
  }
}

// The result of a sample has the same bits alone and in a batch.
TEST_F(GpuElementwise, SamplesDoNotDependOnTheBatch) {
  const auto check = [](const Shape& shape, DType dtype, const auto& f, const char* what) {
    const Tensor x = fractions(shape, dtype, 6).to(kEmulated), whole = f(x);
    for (int64_t n = 0; n < x.size(0); ++n) {
      expect_same_bits(f(sample_of(x, n)), sample_of(whole, n).to(kCpu),
                       std::string(what) + " of sample " + std::to_string(n));
    }
  };
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const int64_t count : {5, 64, 700, 2048, 17001}) {
      const auto sum = [](const Tensor& t) {
        return ops::reduce_run(ops::ReduceKind::sum, t, 1, 1);
      };
      check({5, count}, dtype, sum, "row sum");
      check(
          {5, count}, dtype, [](const Tensor& t) { return ops::softmax(t); }, "softmax");
    }
    for (const Shape& shape : {Shape{5, 700, 3}, {5, 130, 8}, {5, 9, 40}}) {
      const auto mean = [](const Tensor& t) {
        return ops::reduce_run(ops::ReduceKind::mean, t, 1, 1);
      };
      check(shape, dtype, mean, "column mean");
    }
  }
}

}  // namespace
}  // namespace ito::testing
