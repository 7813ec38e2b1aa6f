// Times every op of the table on its benchmark samples.
//   ops_bench [--benchmark_filter=conv2d] [--benchmark_out=file.json] ...
// Columns: time, GB/s (least bytes moved), GFLOP/s, and `roofline`: the time that the measured
// ceilings allow over the time taken. Small tensors stay in the caches and may exceed 1.
#include <benchmark/benchmark.h>

#include <cstdio>

#include "bench/roofline.h"
#include "engine/autograd/autograd.h"
#include "engine/autograd/call.h"
#include "engine/core/parallel.h"
#include "kernels/common/op_table.h"
#include "tests/support/samples.h"

namespace ito::bench {
namespace {

enum class Pass { forward, backward };

bool any_failed = false;

Specs specs_of(const Tensors& tensors) {
  Specs specs;
  for (const Tensor& t : tensors) specs.push_back(spec_of(t));
  return specs;
}

void count(benchmark::State& state, const Ceilings& top, double bytes, double flops) {
  using benchmark::Counter;
  state.counters["GB/s"] = Counter(bytes * 1e-9, Counter::kIsIterationInvariantRate);
  state.counters["GFLOP/s"] = Counter(flops * 1e-9, Counter::kIsIterationInvariantRate);
  // bf16 products may run at twice the fp32 rate; the fp32 ceiling is used for both.
  const double least = std::max(bytes / top.copy_bytes, flops / top.flops);
  state.counters["roofline"] = Counter(least, Counter::kIsIterationInvariantRate);
}

void time(benchmark::State& state, const OpInfo& op, const Sample& sample, DType dtype, Pass pass,
          const Ceilings& top) {
  Tensors x = testing::cast_inputs(testing::make_inputs(op, sample, dtype), sample, dtype, kCpu);
  Tensors wrt;
  for (size_t i = 0; i < x.size() && pass == Pass::backward; ++i) {
    if (x[i] && sample.inputs[i].differentiable) wrt.push_back(x[i].set_requires_grad());
  }
  const Tensors y = call(op, x, sample.attrs);
  const Cost cost = op.cost(specs_of(x), specs_of(y), sample.attrs.get());
  if (pass == Pass::forward) {
    const NoGradScope off;
    for (auto _ : state) benchmark::DoNotOptimize(call(op, x, sample.attrs));
    return count(state, top, cost.bytes, cost.flops);
  }
  const Tensor seed = Tensor::full(y[0].shape(), 0.5, y[0].dtype());
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        grad(y[0], wrt, {.seeds = {seed}, .keep_graph = true, .allow_unused = true}));
  }
  // The gradient of each operand costs about as much as the result.
  count(state, top, 2 * cost.bytes, 2 * cost.flops);
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

}  // namespace
}  // namespace ito::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const ito::bench::Ceilings top = ito::bench::measure_ceilings();
  std::printf("ceilings with %d threads: copy %.1f GB/s, fp32 multiply-add %.0f GFLOP/s\n",
              ito::num_threads(), top.copy_bytes * 1e-9, top.flops * 1e-9);
  for (const ito::OpInfo* op : ito::op_table()) ito::bench::register_op(*op, top);
  benchmark::RunSpecifiedBenchmarks();
  return ito::bench::any_failed ? 1 : 0;
}
