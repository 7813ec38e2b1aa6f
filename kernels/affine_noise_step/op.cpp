#include "kernels/affine_noise_step/op.h"

#include <cmath>

#include "kernels/common/define_op.h"
#include "kernels/common/sampler_update.h"

namespace ito {
namespace {

using ops::AffineNoiseAttrs;

enum Input { kX, kScore, kTable, kRow, kSamples, kZ };

struct AffineNoiseStep {
  static constexpr std::string_view name = "affine_noise_step";
  static constexpr OpKind kind = OpKind::constant;
  static constexpr int visible_outputs = 2;
  using Attrs = AffineNoiseAttrs;

  static Specs infer(const Specs& x, const Attrs&) {
    check_sampler_inputs(x[kX], x[kScore], x[kSamples], x[kZ]);
    check_table(x[kTable], x[kRow], 3);
    return {x[kX], x[kX]};
  }

  static Tensors reference(const Tensors& in, const Attrs& a) {
    const int64_t row = table_row(in[kRow], in[kTable]);
    const double* k = in[kTable].data<double>() + 3 * row;
    const Tensor z = batch_noise(in[kX], in[kSamples], in[kZ], key_of_row(a.key, row));
    Tensor x = Tensor::empty(in[kX].shape(), in[kX].dtype()), mean = x.clone();
    dispatch_float(x.dtype(), name, [&]<class T>() {
      using A = Acc<T>;
      for (int64_t i = 0; i < x.numel(); ++i) {
        const A m = static_cast<A>(k[0]) * static_cast<A>(in[kX].data<T>()[i]) +
                    static_cast<A>(k[1]) * static_cast<A>(in[kScore].data<T>()[i]);
        mean.data<T>()[i] = static_cast<T>(m);
        x.data<T>()[i] = static_cast<T>(m + static_cast<A>(k[2]) * static_cast<A>(z.data<T>()[i]));
      }
    });
    return {x, mean};
  }

  static void forward(Launch&, const Tensors& in, const Tensors& out, const Attrs& a) {
    const int64_t row = table_row(in[kRow], in[kTable]);
    if (in[kX].numel() == 0) return;
    const double* k = in[kTable].data<double>() + 3 * row;
    dispatch_float(in[kX].dtype(), name, [&]<class T>() {
      using A = Acc<T>;
      const T *x = in[kX].data<T>(), *s = in[kScore].data<T>();
      T *next = out[0].data<T>(), *mean = out[1].data<T>();
      for_noise_tiles(in[kX].size(0), in[kX].numel() / in[kX].size(0), in[kSamples].data<int64_t>(),
                      in[kZ] ? in[kZ].data<T>() : nullptr, key_of_row(a.key, row),
                      [&](int64_t, int64_t at, int64_t count, const A* noise) {
                        // Copies of its own: the stores below cannot change these.
                        const A ka = static_cast<A>(k[0]), kb = static_cast<A>(k[1]);
                        const A kc = static_cast<A>(k[2]);
                        for (int64_t i = 0; i < count; ++i) {
                          const A m = std::fma(kb, static_cast<A>(s[at + i]),
                                               ka * static_cast<A>(x[at + i]));
                          mean[at + i] = static_cast<T>(m);
                          next[at + i] = static_cast<T>(std::fma(kc, noise[i], m));
                        }
                      });
    });
  }

  static Samples samples() {
    Samples list;
    const auto add = [&](const char* id, Shape x, double a, double b, double c,
                         InputInit z = absent(), double row = 0) {
      std::vector<double> indices;
      for (int64_t n = 0; n < x[0]; ++n) indices.push_back(static_cast<double>(1000 * n + 7));
      std::vector<double> table = {0.5, 0.25, 2, a, b, c};
      if (row == 0) std::swap_ranges(table.begin(), table.begin() + 3, table.begin() + 3);
      list.push_back(
          {id,
           {normal(x), normal(x), as(values({2, 3}, table), DType::f64),
            as(values({1}, {row}), DType::i64), as(values({x[0]}, indices), DType::i64), z},
           attrs(Attrs{{.seed = 42, .purpose = Purpose::predictor, .step = 5}}),
           false});
    };
    add("5x3x3x3", {5, 3, 3, 3}, 1.01, 0.3, 0.1);
    add("batch_1", {1, 8, 8, 3}, 1, 0.5, 0.7);
    add("second_row", {2, 4, 4, 1}, 0.9, 0.5, 0.7, absent(), 1);
    add("no_noise", {2, 5, 5, 1}, 1.2, 0.5, 0);
    add("no_score", {2, 5, 5, 1}, 1.2, 0, 1);
    add("recorded_noise", {3, 4, 5, 2}, 1.1, -0.4, 0.8, normal({3, 4, 5, 2}));
    add("one_element", {3, 1}, 1, 1, 1);
    add("rank_1", {7}, 1, 1, 1);
    add("tile_edge", {2, 512}, 1, 1, 1);
    add("tile_edge_and_one", {2, 513}, 1, 1, 1);
    add("long", {2, 33, 31, 29}, 1, 1, 1);
    add("empty_batch", {0, 4, 4, 3}, 1, 1, 1);
    add("empty_sample", {2, 0, 3}, 1, 1, 1);
    return list;
  }
  static ErrorSamples errors() {
    const auto sample = [](Shape score, Shape table, double row, double index) {
      return Sample{
          "bad",
          {normal({1, 4}), normal(score), as(normal(table), DType::f64),
           as(values({1}, {row}), DType::i64), as(values({1}, {index}), DType::i64), absent()},
          attrs(Attrs{})};
    };
    return {{sample({1, 5}, {1, 3}, 0, 0), "score must have the shape of x"},
            {sample({1, 4}, {1, 2}, 0, 0), "table must be [S, columns]"},
            {sample({1, 4}, {1, 3}, 1, 0), "row is not in the table (row=1, rows=1)", true},
            {sample({1, 4}, {1, 3}, 0, -1), "sample index must fit in 32 bits", true}};
  }
  static Samples bench_samples() {
    std::vector<double> indices(64);
    for (size_t n = 0; n < indices.size(); ++n) indices[n] = static_cast<double>(n);
    return {{"64x32x32x3",
             {normal({64, 32, 32, 3}), normal({64, 32, 32, 3}),
              as(values({1, 3}, {1, 1, 1}), DType::f64), as(values({1}, {0}), DType::i64),
              as(values({64}, indices), DType::i64), absent()},
             attrs(Attrs{})}};
  }
  static Cost cost(const Specs& x, const Specs&, const Attrs&) {
    const auto n = static_cast<double>(x[kX].shape.numel());
    return {4 * n * static_cast<double>(size_of(x[kX].dtype)), 4 * n};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(AffineNoiseStep, affine_noise_step)

namespace ito::ops {

StepResult affine_noise_step(const Tensor& x, const Tensor& score, const Tensor& table,
                             const Tensor& row, const Tensor& samples, const Tensor& z,
                             const AffineNoiseAttrs& attrs) {
  const Tensors out = call(op_affine_noise_step(), {x, score, table, row, samples, z}, attrs);
  return {out[0], out[1]};
}

}  // namespace ito::ops
