// Ops that make noise: the bits of engine/random/noise.h, whatever the batch and the dtype.
#include <gtest/gtest.h>

#include "kernels/dropout/op.h"
#include "kernels/noise/op.h"
#include "kernels/perturb/op.h"

namespace ito {
namespace {

constexpr NoiseKey kKey{.seed = 11, .purpose = Purpose::forward_noise, .step = 4};

Tensor indices(const std::vector<int64_t>& list) {
  return Tensor::from(list, {static_cast<int64_t>(list.size())});
}

TEST(NoiseOp, HasTheBitsOfTheStream) {
  const Tensor samples = indices({5, 0, 123456789});
  const Shape shape{9, 19, 3};  // 513 elements: one more than a tile
  const auto at = [](const std::vector<float>& list, int64_t n, uint32_t i) {
    return list[static_cast<size_t>(n * 513 + i)];
  };
  using ops::NoiseKind;
  const auto make = [&](NoiseKind kind) {
    return ops::noise(samples, {kind, shape, DType::f32, kKey}).to_vector<float>();
  };
  const std::vector<float> z = make(NoiseKind::normal), u = make(NoiseKind::uniform),
                           r = make(NoiseKind::rademacher);
  for (int64_t n = 0; n < 3; ++n) {
    const auto sample = static_cast<uint32_t>(samples.data<int64_t>()[n]);
    for (uint32_t i = 0; i < 513; ++i) {
      ASSERT_EQ(at(z, n, i), normal_at(kKey, sample, i)) << n << " " << i;
      ASSERT_EQ(at(u, n, i), uniform_at(kKey, sample, i)) << n << " " << i;
      ASSERT_EQ(at(r, n, i), rademacher_at(kKey, sample, i)) << n << " " << i;
    }
  }
}

TEST(PerturbOp, UsesTheNoiseOfTheSampleInAnyBatch) {
  const std::vector<float> ones(3, 1.0f);
  const Tensor x0 = Tensor::full({3, 700}, 0.5, DType::f32), scale = Tensor::from(ones, {3});
  const ops::Perturbed batch = ops::perturb(x0, scale, scale, indices({8, 9, 2}), kKey);
  const std::vector<float> z = batch.z.to_vector<float>(), x = batch.x_t.to_vector<float>();
  EXPECT_EQ(
      z, ops::noise(indices({8, 9, 2}), {.sample_shape = {700}, .key = kKey}).to_vector<float>());
  for (size_t i = 0; i < z.size(); ++i) ASSERT_EQ(x[i], 0.5f + z[i]) << i;
  const Tensor one = Tensor::full({1, 700}, 0.5, DType::f32),
               unit = Tensor::full({1}, 1, DType::f32);
  const std::vector<float> alone =
      ops::perturb(one, unit, unit, indices({2}), kKey).x_t.to_vector<float>();
  EXPECT_EQ(alone, std::vector<float>(x.begin() + 1400, x.end()));
}

TEST(DropoutOp, HasOneMaskForEveryDType) {
  const double rate = 0.3;
  const Tensor samples = indices({3, 4});
  const auto kept = [&](DType dtype) {
    const Tensor y =
        ops::dropout(Tensor::full({2, 900}, 1, dtype), samples, {.rate = rate, .key = kKey});
    std::vector<int> mask;
    dispatch_float(dtype, "kept", [&]<class T>() {
      for (const T& v : y.span<T>()) mask.push_back(static_cast<double>(v) != 0);
    });
    return mask;
  };
  const std::vector<int> mask = kept(DType::f64);
  for (uint32_t i = 0; i < 1800; ++i) {
    const float uniform = uniform_at(kKey, 3 + i / 900, i % 900);
    ASSERT_EQ(mask[i], uniform >= static_cast<float>(rate)) << i;
  }
  EXPECT_EQ(mask, kept(DType::f32));
  EXPECT_EQ(mask, kept(DType::bf16));
}

TEST(DropoutOp, ReturnsItsInputAtRateZero) {
  const Tensor x = Tensor::full({2, 3}, 1, DType::f32);
  EXPECT_TRUE(ops::dropout(x, indices({0, 1}), {.rate = 0, .key = kKey}).same_as(x));
}

}  // namespace
}  // namespace ito
