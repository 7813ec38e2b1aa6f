#include "kernels/noise/op.h"

#include "kernels/common/define_op.h"
#include "kernels/noise/tiles.h"

namespace ito {
namespace {

using ops::NoiseAttrs;
using ops::NoiseKind;

float noise_at(NoiseKind kind, NoiseKey key, uint32_t sample, uint32_t element) {
  switch (kind) {
    case NoiseKind::normal:
      return normal_at(key, sample, element);
    case NoiseKind::uniform:
      return uniform_at(key, sample, element);
    case NoiseKind::rademacher:
      break;
  }
  return rademacher_at(key, sample, element);
}

struct Noise {
  static constexpr std::string_view name = "noise";
  static constexpr OpKind kind = OpKind::constant;
  using Attrs = NoiseAttrs;

  static Specs infer(const Specs& x, const Attrs& a) {
    ITO_CHECK(x[0].dtype == DType::i64 && is_floating(a.dtype), DTypeError,
              "samples must be i64 and the noise floating", kv("samples", x[0].dtype),
              kv("noise", a.dtype));
    ITO_CHECK(x[0].shape.rank() == 1, ShapeError, "samples must be [N]", kv("samples", x[0].shape));
    std::vector<int64_t> sizes = {x[0].shape[0]};
    for (const int64_t size : a.sample_shape.sizes()) sizes.push_back(size);
    return {{Shape(std::span<const int64_t>(sizes)), a.dtype, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    Tensor y = Tensor::empty(infer({spec_of(x[0])}, a)[0].shape, a.dtype);
    const int64_t elements = a.sample_shape.numel();
    dispatch_float(a.dtype, name, [&]<class T>() {
      for (int64_t i = 0; i < y.numel(); ++i) {
        const uint32_t sample = sample_counter(x[0].data<int64_t>()[i / elements]);
        const auto element = static_cast<uint32_t>(i % elements);
        y.data<T>()[i] = static_cast<T>(noise_at(a.kind, a.key, sample, element));
      }
    });
    return {y};
  }
  static void forward(Launch&, const Tensors& x, const Tensors& y, const Attrs& a) {
    dispatch_float(a.dtype, name, [&]<class T>() {
      T* out = y[0].data<T>();
      for_filled_tiles(a.kind, a.key, x[0].span<int64_t>(), a.sample_shape.numel(),
                       [&](int64_t at, int64_t count, const float* values) {
                         for (int64_t i = 0; i < count; ++i) {
                           out[at + i] = static_cast<T>(values[i]);
                         }
                       });
    });
  }

  static Samples samples() {
    Samples list;
    const char* names[] = {"normal", "uniform", "rademacher"};
    for (int k = 0; k < 3; ++k) {
      const auto add = [&](const char* id, std::vector<double> samples, Shape shape, DType dtype) {
        const auto n = static_cast<int64_t>(samples.size());
        list.push_back({std::string(names[k]) + "_" + id,
                        {as(values({n}, std::move(samples)), DType::i64)},
                        attrs(Attrs{static_cast<NoiseKind>(k),
                                    shape,
                                    dtype,
                                    {.seed = 42, .purpose = Purpose::probe, .step = 3}}),
                        false});
      };
      add("f32", {0, 7, 4294967295}, {5, 7, 3}, DType::f32);
      add("f64", {3, 1}, {513}, DType::f64);
      add("bf16", {9}, {512}, DType::bf16);
      add("scalars", {5, 6, 7}, Shape{}, DType::f32);
      add("long", {2, 1}, {33, 301}, DType::f32);
      add("empty", {}, {4}, DType::f32);
      add("empty_samples", {1, 2}, {0}, DType::f32);
    }
    return list;
  }
  static ErrorSamples errors() {
    const AnyAttrs f32 = attrs(Attrs{.sample_shape = {4}});
    return {{{"negative", {as(values({1}, {-1}), DType::i64)}, f32},
             "sample index must fit in 32 bits (sample=-1)",
             true},
            {{"dtype", {normal({2})}, f32}, "samples must be i64"},
            {{"noise_dtype", {integers({2}, 5)}, attrs(Attrs{.dtype = DType::u8})},
             "the noise floating"},
            {{"rank", {integers({2, 2}, 5)}, f32}, "samples must be [N]"}};
  }
  static Samples bench_samples() {
    std::vector<double> indices(64);
    for (size_t n = 0; n < indices.size(); ++n) indices[n] = static_cast<double>(n);
    const InputInit samples = as(values({64}, indices), DType::i64);
    return {{"normal_64x32x32x3", {samples}, attrs(Attrs{.sample_shape = {32, 32, 3}})}};
  }
  static Cost cost(const Specs&, const Specs& y, const Attrs&) {
    const auto n = static_cast<double>(y[0].shape.numel());
    return {n * static_cast<double>(size_of(y[0].dtype)), 30 * n};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Noise, noise)

namespace ito::ops {

Tensor noise(const Tensor& samples, const NoiseAttrs& attrs) {
  return call(op_noise(), {samples}, attrs)[0];
}

}  // namespace ito::ops
