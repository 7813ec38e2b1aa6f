// Times every op of the table on its benchmark samples.
//   ops_bench [--device=cpu|cuda|emulated] [--math=exact|fast] [--threads=N]
//             [--benchmark_filter=conv2d] [--benchmark_out=file.json]
// On a GPU ten calls are one recorded graph, so that starting kernels costs nothing. Columns: time,
// GB/s (least bytes moved), GFLOP/s, and `roofline`: the time that the measured ceilings allow over
// the time taken. Small tensors stay in the caches and may exceed 1.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "bench/roofline.h"
#include "engine/autograd/autograd.h"
#include "engine/autograd/call.h"
#include "engine/core/math_mode.h"
#include "engine/core/parallel.h"
#include "engine/cuda/graph.h"
#include "engine/cuda/runtime.h"
#include "engine/cuda/stream.h"
#include "kernels/common/op_table.h"
#include "tests/support/samples.h"

namespace ito::bench {
namespace {

enum class Pass { forward, backward };

bool any_failed = false;
Device device = kCpu;

/// Repeats `work` under the clock; returns how often one turn does it.
template <class Work>
int repeat(benchmark::State& state, const Work& work) {
  constexpr int kCalls = 10;
  if (device.kind == DeviceKind::cpu) {
    for (auto _ : state) work();
    return 1;
  }
  cuda::Graph graph(device, "benchmark", [&] {
    for (int i = 0; i < kCalls; ++i) work();
  });
  for (int i = 0; i < 3; ++i) graph.run();
  cuda::synchronize(device);
  for (auto _ : state) {
    graph.run();
    cuda::synchronize(device);
  }
  return kCalls;
}

Specs specs_of(const Tensors& tensors) {
  Specs specs;
  for (const Tensor& t : tensors) specs.push_back(spec_of(t));
  return specs;
}

void count(benchmark::State& state, const Ceilings& top, DType dtype, double bytes, double flops) {
  using benchmark::Counter;
  state.counters["GB/s"] = Counter(bytes * 1e-9, Counter::kIsIterationInvariantRate);
  state.counters["GFLOP/s"] = Counter(flops * 1e-9, Counter::kIsIterationInvariantRate);
  const double least = std::max(bytes / top.copy_bytes, flops / top.flops(dtype));
  state.counters["roofline"] = Counter(least, Counter::kIsIterationInvariantRate);
}

void time(benchmark::State& state, const OpInfo& op, const Sample& sample, DType dtype, Pass pass,
          const Ceilings& top) {
  Tensors x = testing::cast_inputs(testing::make_inputs(op, sample, dtype), sample, dtype, device);
  Tensors wrt;
  for (size_t i = 0; i < x.size() && pass == Pass::backward; ++i) {
    if (x[i] && sample.inputs[i].differentiable) wrt.push_back(x[i].set_requires_grad());
  }
  const Tensors y = call(op, x, sample.attrs);
  const Cost cost = op.cost(specs_of(x), specs_of(y), sample.attrs.get());
  if (pass == Pass::forward) {
    const NoGradScope off;
    const int n = repeat(state, [&] { benchmark::DoNotOptimize(call(op, x, sample.attrs)); });
    return count(state, top, dtype, n * cost.bytes, n * cost.flops);
  }
  const Tensor seed = Tensor::full(y[0].shape(), 0.5, y[0].dtype(), device);
  const int n = repeat(state, [&] {
    benchmark::DoNotOptimize(
        grad(y[0], wrt, {.seeds = {seed}, .keep_graph = true, .allow_unused = true}));
  });
  // The gradient of each operand costs about as much as the result.
  count(state, top, dtype, 2 * n * cost.bytes, 2 * n * cost.flops);
}

void register_op(const OpInfo& op, const Ceilings& top) {
  for (const Sample& sample : op.bench_samples()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      for (const Pass pass : {Pass::forward, Pass::backward}) {
        if (pass == Pass::backward && op.kind == OpKind::constant) continue;
        const std::string name = std::string(op.name) + "/" + sample.id + "/" +
                                 std::string(name_of(dtype)) +
                                 (pass == Pass::forward ? "/forward" : "/backward");
        benchmark::RegisterBenchmark(name.c_str(), [&op, sample, dtype, pass,
                                                    &top](benchmark::State& state) {
          try {
            time(state, op, sample, dtype, pass, top);
          } catch (const std::exception& e) {  // one op's failure must not hide the others
            any_failed = true;
            state.SkipWithError(e.what());
          }
        })->UseRealTime();
      }
    }
  }
}

/// Takes our own options out of the arguments; what it does not know is left for the library.
void take_options(int& argc, char** argv) {
  const auto taken = [](const std::string_view word) {
    constexpr std::string_view kThreads = "--threads=";
    if (word.starts_with(kThreads)) {
      const int threads = std::atoi(word.data() + kThreads.size());
      if (threads > 0) set_num_threads(threads);
      return threads > 0;
    }
    if (word == "--math=fast") set_math_mode(MathMode::fast);
    if (word == "--device=cuda") device = {DeviceKind::cuda, 0};
    if (word == "--device=emulated") device = kEmulated;
    return word == "--math=fast" || word == "--math=exact" || word == "--device=cuda" ||
           word == "--device=emulated" || word == "--device=cpu";
  };
  argc = static_cast<int>(std::remove_if(argv + 1, argv + argc, taken) - argv);
}

}  // namespace
}  // namespace ito::bench

int main(int argc, char** argv) {
  using namespace ito;
  benchmark::Initialize(&argc, argv);
  bench::take_options(argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (!is_available(bench::device)) {
    std::fprintf(stderr, "no usable GPU: %s\n", cuda::unavailable_reason().c_str());
    return 5;
  }
  const bench::Ceilings top = bench::measure_ceilings(bench::device);
  std::printf(
      "ceilings of %s with %d threads: copy %.1f GB/s, fp32 %.0f GFLOP/s, bf16 %.0f GFLOP/s\n",
      to_string(bench::device).c_str(), num_threads(), top.copy_bytes * 1e-9, top.flops_f32 * 1e-9,
      top.flops_bf16 * 1e-9);
  benchmark::AddCustomContext("math", math_mode() == MathMode::fast ? "fast" : "exact");
  benchmark::AddCustomContext("copy_bytes_per_second", std::to_string(top.copy_bytes));
  benchmark::AddCustomContext("f32_flops", std::to_string(top.flops_f32));
  benchmark::AddCustomContext("bf16_flops", std::to_string(top.flops_bf16));
  for (const OpInfo* op : op_table()) bench::register_op(*op, top);
  benchmark::RunSpecifiedBenchmarks();
  return bench::any_failed ? 1 : 0;
}
