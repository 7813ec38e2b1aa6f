#include "bench/roofline.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>
#include <vector>

#include "engine/autograd/autograd.h"
#include "engine/core/parallel.h"
#include "engine/cuda/graph.h"
#include "engine/cuda/stream.h"
#include "kernels/common/bf16_dot.h"
#include "kernels/matmul/op.h"
#include "kernels/noise/op.h"
#include "kernels/reshape/op.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/roofline.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ito::bench {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Sixteen chains of fused multiply-adds, enough to hide their latency. They start at different
/// values, or the compiler would compute one for all. Returns the number of operations; the sum
/// keeps the work from being dropped.
double multiply_add(int rounds, float* sink) {
  const hn::ScalableTag<float> d;
  const auto m = hn::Set(d, 0.999f), a = hn::Set(d, 1e-3f);
  const auto start = [&](int i) HWY_ATTR { return hn::Iota(d, static_cast<float>(100 * i)); };
  auto v0 = start(0), v1 = start(1), v2 = start(2), v3 = start(3), v4 = start(4), v5 = start(5);
  auto v6 = start(6), v7 = start(7), w0 = start(8), w1 = start(9), w2 = start(10), w3 = start(11);
  auto w4 = start(12), w5 = start(13), w6 = start(14), w7 = start(15);
  for (int i = 0; i < rounds; ++i) {
    v0 = hn::MulAdd(v0, m, a), v1 = hn::MulAdd(v1, m, a), v2 = hn::MulAdd(v2, m, a);
    v3 = hn::MulAdd(v3, m, a), v4 = hn::MulAdd(v4, m, a), v5 = hn::MulAdd(v5, m, a);
    v6 = hn::MulAdd(v6, m, a), v7 = hn::MulAdd(v7, m, a), w0 = hn::MulAdd(w0, m, a);
    w1 = hn::MulAdd(w1, m, a), w2 = hn::MulAdd(w2, m, a), w3 = hn::MulAdd(w3, m, a);
    w4 = hn::MulAdd(w4, m, a), w5 = hn::MulAdd(w5, m, a), w6 = hn::MulAdd(w6, m, a);
    w7 = hn::MulAdd(w7, m, a);
  }
  const auto v =
      hn::Add(hn::Add(hn::Add(v0, v1), hn::Add(v2, v3)), hn::Add(hn::Add(v4, v5), hn::Add(v6, v7)));
  const auto w =
      hn::Add(hn::Add(hn::Add(w0, w1), hn::Add(w2, w3)), hn::Add(hn::Add(w4, w5), hn::Add(w6, w7)));
  *sink = hn::GetLane(hn::SumOfLanes(d, hn::Add(v, w)));
  return 2.0 * 16 * static_cast<double>(hn::Lanes(d)) * rounds;
}

}  // namespace HWY_NAMESPACE
}  // namespace ito::bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ito::bench {

HWY_EXPORT(multiply_add);

namespace {

using Clock = std::chrono::steady_clock;

template <class Work>
double best_seconds(int runs, Work work) {
  double best = 1e9;
  for (int i = 0; i < runs; ++i) {
    const auto start = Clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

}  // namespace

namespace {

/// Operations per second of all threads, each of which runs work(sink), which returns their number.
template <class Work>
double rate_of_threads(Work work) {
  const int threads = num_threads();
  std::vector<float> sinks(static_cast<size_t>(threads) * 64);
  std::vector<double> done(static_cast<size_t>(threads) * 8);
  const double seconds = best_seconds(5, [&] {
    parallel_for(threads, [&](int64_t i) {
      done[static_cast<size_t>(i) * 8] = work(&sinks[static_cast<size_t>(i) * 64]);
    });
  });
  return std::accumulate(done.begin(), done.end(), 0.0) / seconds;
}

/// Dot products of pairs of bf16, operands in the first-level cache.
double dot_products(float* sink) {
  constexpr int64_t kPairs = 64, kRounds = 200'000;
  constexpr Bf16Pair kSmall = 0x3c003c00;  // 2^-7 twice
  const std::vector<Bf16Pair> a(kDotRows * kPairs, kSmall), b(kPairs * kDotColumns, kSmall);
  std::vector<float> c(kDotRows * kDotColumns);
  for (int64_t i = 0; i < kRounds; ++i) {
    multiply_bf16({.rows = kDotRows,
                   .panels = 1,
                   .pairs = kPairs,
                   .a = a.data(),
                   .tile_step = 0,
                   .row_step = kPairs,
                   .pair_step = 1,
                   .b = b.data(),
                   .c = c.data(),
                   .c_step = kDotColumns});
  }
  *sink = c.front();
  return 2.0 * 2 * kPairs * kDotRows * kDotColumns * kRounds;
}

Ceilings ceilings_of_cpu() {
  constexpr int64_t kBytes = 256 << 20;  // well beyond any cache
  std::vector<char> from(kBytes, 1), to(kBytes, 2);
  const double copy = best_seconds(5, [&] {
    parallel_ranges(kBytes, 1 << 22, [&](int64_t begin, int64_t end) {
      std::memcpy(to.data() + begin, from.data() + begin, static_cast<size_t>(end - begin));
    });
  });
  Ceilings c{.copy_bytes = 2.0 * kBytes / copy};
  c.flops_f32 = rate_of_threads(
      [](float* sink) { return HWY_DYNAMIC_DISPATCH(multiply_add)(20'000'000, sink); });
  c.flops_bf16 = has_bf16_dot() ? rate_of_threads(dot_products) : c.flops_f32;
  return c;
}

/// Seconds of `work` on a device, as a recorded graph of several executions.
template <class Work>
double device_seconds(Device device, int executions, Work work) {
  cuda::Graph graph(device, "ceiling", [&] {
    for (int i = 0; i < executions; ++i) work();
  });
  for (int i = 0; i < 3; ++i) graph.run();
  const double seconds = best_seconds(5, [&] {
    cuda::synchronize(device);
    graph.run();
    cuda::synchronize(device);
  });
  return seconds / executions;
}

Ceilings ceilings_of_gpu(Device device) {
  const bool is_emulated = device.kind == DeviceKind::emulated;
  const int64_t bytes = int64_t{1} << (is_emulated ? 16 : 30);
  const int64_t n = is_emulated ? 32 : 8192;
  const Tensor from = Tensor::zeros({bytes}, DType::u8, device);
  const Tensor to = from.clone();
  Ceilings c;
  c.copy_bytes =
      2 * static_cast<double>(bytes) / device_seconds(device, 10, [&] { to.copy_from(from); });
  const auto product_rate = [&](DType dtype) {
    // Random values: multiplying zeros draws less power and runs at a higher clock.
    const Tensor indices = Tensor::zeros({1}, DType::i64, device);
    const Tensor x = ops::reshape(
        ops::noise(indices, {.sample_shape = {n, n}, .dtype = dtype, .key = {1, Purpose::data, 0}}),
        Shape{n, n});
    return 2.0 * static_cast<double>(n * n * n) /
           device_seconds(device, 4, [&] { ops::matmul(x, x); });
  };
  c.flops_f32 = product_rate(DType::f32);
  c.flops_bf16 = product_rate(DType::bf16);
  return c;
}

}  // namespace

Ceilings measure_ceilings(Device device) {
  const NoGradScope off;
  return device.kind == DeviceKind::cpu ? ceilings_of_cpu() : ceilings_of_gpu(device);
}

}  // namespace ito::bench
#endif
