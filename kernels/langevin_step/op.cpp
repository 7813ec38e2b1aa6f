#include "kernels/langevin_step/op.h"

#include <cmath>

#include "kernels/common/define_op.h"
#include "kernels/common/halving.h"
#include "kernels/common/sampler_update.h"

namespace ito {
namespace {

using ops::LangevinAttrs;
using ops::SnrNorm;

enum Input { kX, kScore, kTable, kRow, kSamples, kZ };

/// Step size of every sample from the squared norms of its score and noise.
std::vector<double> step_sizes(const LangevinAttrs& a, double alpha, const std::vector<double>& s2,
                               const std::vector<double>& z2, int64_t elements) {
  const size_t n = s2.size();
  double mean_s = 0, mean_z = 0;
  for (size_t i = 0; i < n; ++i) {
    mean_s += std::sqrt(s2[i]) / static_cast<double>(n);
    mean_z += std::sqrt(z2[i]) / static_cast<double>(n);
  }
  std::vector<double> eps(n);
  for (size_t i = 0; i < n; ++i) {
    const double s = a.norm == SnrNorm::batch_mean ? mean_s : std::sqrt(s2[i]);
    const double z = a.norm == SnrNorm::batch_mean ? mean_z
                     : a.norm == SnrNorm::sqrt_dim ? std::sqrt(static_cast<double>(elements))
                                                   : std::sqrt(z2[i]);
    eps[i] = s > 0 ? 2 * alpha * (a.snr * z / s) * (a.snr * z / s) : 0;
  }
  return eps;
}

// Squares are added as a GPU does it, so that every device finds the same step size.

/// Four neighbours in order, then the quads of a tile by halving.
template <class T>
double squares_of_tile(const T* values, int64_t count) {
  const auto square = [values](int64_t i) {
    const auto value = static_cast<double>(values[i]);
    return value * value;
  };
  std::array<double, kNoiseTile / 4> quads{};
  const int64_t whole = count / 4;
  for (int64_t q = 0; q < whole; ++q) {
    const int64_t i = 4 * q;
    quads[static_cast<size_t>(q)] = square(i) + square(i + 1) + square(i + 2) + square(i + 3);
  }
  for (int64_t i = 4 * whole; i < count; ++i) quads[static_cast<size_t>(whole)] += square(i);
  return sum_by_halving(quads);
}

/// Every 32nd tile in order, then the 32 sums by halving. Tiles lie two numbers apart.
double sum_of_tiles(const double* partial, int64_t tiles) {
  std::array<double, 32> lanes{};
  for (int64_t tile = 0; tile < tiles; ++tile) {
    lanes[static_cast<size_t>(tile % 32)] += partial[2 * tile];
  }
  return sum_by_halving(lanes);
}

template <class T>
void run(Launch& launch, const LangevinAttrs& a, const Tensors& in, const Tensors& out) {
  using A = Acc<T>;
  const int64_t row = table_row(in[kRow], in[kTable]);
  if (in[kX].numel() == 0) return;
  const int64_t n = in[kX].size(0), elements = in[kX].numel() / n;
  const int64_t tiles = (elements + kNoiseTile - 1) / kNoiseTile;
  const T *x = in[kX].data<T>(), *s = in[kScore].data<T>();
  const T* z = in[kZ] ? in[kZ].data<T>() : nullptr;
  const int64_t* indices = in[kSamples].data<int64_t>();
  const NoiseKey key = key_of_row(a.key, row);

  auto* partial = launch.scratch<double>(2 * n * tiles);
  for_noise_tiles(n, elements, indices, z, key,
                  [&](int64_t i, int64_t at, int64_t count, const A* noise) {
                    const int64_t tile = i * tiles + (at - i * elements) / kNoiseTile;
                    partial[2 * tile] = squares_of_tile(s + at, count);
                    partial[2 * tile + 1] = squares_of_tile(noise, count);
                  });
  std::vector<double> s2(static_cast<size_t>(n)), z2(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    s2[static_cast<size_t>(i)] = sum_of_tiles(partial + 2 * i * tiles, tiles);
    z2[static_cast<size_t>(i)] = sum_of_tiles(partial + 2 * i * tiles + 1, tiles);
  }
  const std::vector<double> eps = step_sizes(a, in[kTable].data<double>()[row], s2, z2, elements);

  T *next = out[0].data<T>(), *mean = out[1].data<T>();
  for_noise_tiles(n, elements, indices, z, key,
                  [&](int64_t i, int64_t at, int64_t count, const A* noise) {
                    const A b = static_cast<A>(eps[static_cast<size_t>(i)]);
                    const A c = static_cast<A>(std::sqrt(2 * eps[static_cast<size_t>(i)]));
                    for (int64_t j = at; j < at + count; ++j) {
                      const A m = std::fma(b, static_cast<A>(s[j]), static_cast<A>(x[j]));
                      mean[j] = static_cast<T>(m);
                      next[j] = static_cast<T>(std::fma(c, noise[j - at], m));
                    }
                  });
}

struct LangevinStep {
  static constexpr std::string_view name = "langevin_step";
  static constexpr OpKind kind = OpKind::constant;
  static constexpr int visible_outputs = 2;
  using Attrs = LangevinAttrs;

  static Specs infer(const Specs& x, const Attrs& a) {
    check_sampler_inputs(x[kX], x[kScore], x[kSamples], x[kZ]);
    check_table(x[kTable], x[kRow], 1);
    ITO_CHECK(a.snr >= 0, ValueError, "snr must not be negative", kv("snr", a.snr));
    return {x[kX], x[kX]};
  }

  static Tensors reference(const Tensors& in, const Attrs& a) {
    const int64_t row = table_row(in[kRow], in[kTable]);
    const Tensor z = batch_noise(in[kX], in[kSamples], in[kZ], key_of_row(a.key, row));
    const int64_t n = in[kX].size(0), elements = n == 0 ? 0 : in[kX].numel() / n;
    Tensor x = Tensor::empty(in[kX].shape(), in[kX].dtype()), mean = x.clone();
    dispatch_float(x.dtype(), name, [&]<class T>() {
      const auto value = [](const Tensor& t, int64_t i) {
        return static_cast<double>(t.data<T>()[i]);
      };
      std::vector<double> s2(static_cast<size_t>(n)), z2(static_cast<size_t>(n));
      for (int64_t i = 0; i < x.numel(); ++i) {
        const auto sample = static_cast<size_t>(i / elements);
        s2[sample] += value(in[kScore], i) * value(in[kScore], i);
        z2[sample] += value(z, i) * value(z, i);
      }
      const auto eps = step_sizes(a, in[kTable].data<double>()[row], s2, z2, elements);
      for (int64_t i = 0; i < x.numel(); ++i) {
        const double e = eps[static_cast<size_t>(i / elements)];
        const auto m = static_cast<Acc<T>>(value(in[kX], i) + e * value(in[kScore], i));
        mean.data<T>()[i] = static_cast<T>(m);
        x.data<T>()[i] = static_cast<T>(m + static_cast<Acc<T>>(std::sqrt(2 * e) * value(z, i)));
      }
    });
    return {x, mean};
  }

  static void forward(Launch& launch, const Tensors& in, const Tensors& out, const Attrs& a) {
    dispatch_float(in[kX].dtype(), name, [&]<class T>() { run<T>(launch, a, in, out); });
  }

  static Samples samples() {
    Samples list;
    const auto add = [&](const char* id, Shape x, SnrNorm norm, InputInit z = absent(),
                         double score_std = 1) {
      std::vector<double> indices;
      for (int64_t n = 0; n < x[0]; ++n) indices.push_back(static_cast<double>(31 * n + 3));
      list.push_back(
          {id,
           {normal(x), normal(x, 0.2, score_std), as(values({2, 1}, {1, 0.98}), DType::f64),
            as(values({1}, {1}), DType::i64), as(values({x[0]}, indices), DType::i64), z},
           attrs(Attrs{0.16, norm, {.seed = 9, .purpose = Purpose::corrector}}),
           false});
    };
    add("per_sample", {5, 3, 3, 3}, SnrNorm::per_sample);
    add("batch_mean", {5, 3, 3, 3}, SnrNorm::batch_mean);
    add("sqrt_dim", {5, 3, 3, 3}, SnrNorm::sqrt_dim);
    add("batch_1", {1, 8, 8, 3}, SnrNorm::per_sample);
    add("batch_mean_of_1", {1, 7, 5, 1}, SnrNorm::batch_mean);
    add("recorded_noise", {3, 4, 5, 2}, SnrNorm::per_sample, normal({3, 4, 5, 2}));
    add("recorded_batch_mean", {3, 4, 5, 2}, SnrNorm::batch_mean, normal({3, 4, 5, 2}));
    add("zero_score", {2, 6}, SnrNorm::per_sample, absent(), 0);
    add("rank_1", {4}, SnrNorm::sqrt_dim);
    add("tile_edge", {2, 512}, SnrNorm::per_sample);
    add("tile_edge_and_one", {3, 513}, SnrNorm::per_sample);
    add("large_score", {2, 9, 9}, SnrNorm::per_sample, absent(), 1e4);
    add("long", {2, 33, 31, 29}, SnrNorm::batch_mean);
    add("empty_batch", {0, 4, 4, 3}, SnrNorm::per_sample);
    return list;
  }
  static ErrorSamples errors() {
    const auto sample = [](Shape samples, double snr, double row = 0, double index = 0) {
      return Sample{"bad",
                    {normal({1, 4}), normal({1, 4}), as(normal({1, 1}, 1, 0.1), DType::f64),
                     as(values({1}, {row}), DType::i64),
                     as(values(samples, std::vector<double>(2, index)), DType::i64), absent()},
                    attrs(Attrs{.snr = snr})};
    };
    return {{sample({2}, 0.1), "samples must be [N]"},
            {sample({1}, -1), "snr must not be negative"},
            {sample({1}, 0.1, 1), "row is not in the table (row=1, rows=1)", true},
            {sample({1}, 0.1, 0, -1), "sample index must fit in 32 bits", true}};
  }
  static Samples bench_samples() {
    return {{"64x32x32x3",
             {normal({64, 32, 32, 3}), normal({64, 32, 32, 3}), as(values({1, 1}, {1}), DType::f64),
              as(values({1}, {0}), DType::i64), integers({64}, 1000), absent()},
             attrs(Attrs{})}};
  }
  static Cost cost(const Specs& x, const Specs&, const Attrs&) {
    const auto n = static_cast<double>(x[kX].shape.numel());
    return {5 * n * static_cast<double>(size_of(x[kX].dtype)), 8 * n};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(LangevinStep, langevin_step)

namespace ito::ops {

StepResult langevin_step(const Tensor& x, const Tensor& score, const Tensor& table,
                         const Tensor& row, const Tensor& samples, const Tensor& z,
                         const LangevinAttrs& attrs) {
  const Tensors out = call(op_langevin_step(), {x, score, table, row, samples, z}, attrs);
  return {out[0], out[1]};
}

}  // namespace ito::ops
