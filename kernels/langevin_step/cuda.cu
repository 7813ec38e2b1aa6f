// GPU kernels of langevin_step. The step size follows from norms of the whole sample, so there are
// two passes over the score, and the noise is made twice instead of stored:
//  1. squares of score and noise per tile of 512 elements, one block each (reads score);
//  2. a warp per sample adds up its tiles and finds the step size; with means over the batch, a
//     third kernel of one block adds up the samples;
//  3. the update (reads x and score, writes both results).
// Sums are in double and in the order of the CPU (op.cpp), for equal bits. A row or sample index
// out of range gives NaN.
#include "kernels/common/sampler_update.cuh"
#include "kernels/common/sampler_update.h"
#include "kernels/langevin_step/op.h"

namespace ito::ITO_GPU_NS {
namespace {

using ops::SnrNorm;

constexpr int kTileThreads = kNoiseTile / gpu::kQuad;
constexpr int kNormThreads = 128;
constexpr int kMeanThreads = 256;
static_assert(kTileThreads == 4 * gpu::kWarpSize, "tile_sum");

/// Coefficients of one sample: mean = x + score s, x' = mean + noise z.
struct Coefficients {
  float score, noise;
};

/// Sum over the block by halving, in thread 0. scratch: kTileThreads values.
DEV double tile_sum(double value, double* scratch) {
  const int rank = gpu::thread_rank();
  scratch[rank] = value;
  __syncthreads();
  if (rank >= gpu::kWarpSize) return 0;
  const double even = gpu::add_rn(scratch[rank], scratch[rank + 2 * gpu::kWarpSize]);
  const double odd =
      gpu::add_rn(scratch[rank + gpu::kWarpSize], scratch[rank + 3 * gpu::kWarpSize]);
  return gpu::warp_sum(gpu::add_rn(even, odd));
}

/// partial [N, tiles, 2]: squares of score and noise.
template <class T>
KERNEL(kTileThreads)
tiles_kernel(gpu::UpdateArguments<T> a, unsigned tiles, double* __restrict__ partial) {
  __shared__ double score_scratch[kTileThreads], noise_scratch[kTileThreads];
  const unsigned sample = blockIdx.x / tiles, tile = blockIdx.x % tiles;
  const gpu::QuadPlace p(a.grid, sample, tile * kTileThreads + threadIdx.x);
  double s2 = 0, z2 = 0;
  if (p.count != 0) {
    const gpu::Quad<T> score = gpu::load_quad(a.score + p.at, p.count, a.whole);
    const F32x4 noise = gpu::noise_of(a, p);
#pragma unroll
    for (unsigned i = 0; i < gpu::kQuad; ++i) {
      const double s = gpu::widen(score.v[i]), z = noise.v[i];
      s2 = gpu::fma_rn(s, s, s2);  // the product of two floats is exact in double
      z2 = gpu::fma_rn(z, z, z2);
    }
  }
  s2 = tile_sum(s2, score_scratch);
  z2 = tile_sum(z2, noise_scratch);
  if (threadIdx.x != 0) return;
  partial[2 * static_cast<std::size_t>(blockIdx.x)] = s2;
  partial[2 * static_cast<std::size_t>(blockIdx.x) + 1] = z2;
}

/// What a step size depends on besides the norms.
struct StepSize {
  const double* table;
  const std::int64_t* row;
  std::int64_t rows;
  double snr;

  /// eps = 2 alpha (snr |z| / |s|)^2, and 0 for |s| = 0.
  DEV Coefficients operator()(double s, double z) const {
    if (row[0] < 0 || row[0] >= rows) return {gpu::quiet_nan(), gpu::quiet_nan()};
    const double ratio = s > 0 ? gpu::div_rn(gpu::mul_rn(snr, z), s) : 0;
    const double eps = gpu::mul_rn(gpu::mul_rn(gpu::mul_rn(2.0, table[row[0]]), ratio), ratio);
    return {static_cast<float>(eps), static_cast<float>(gpu::sqrt_rn(gpu::mul_rn(2.0, eps)))};
  }
};

/// A warp per sample. With means over the batch: norms [N, 2] of score and noise, divided by N.
KERNEL(kNormThreads)
norms_kernel(StepSize size, SnrNorm norm, unsigned samples, unsigned tiles, unsigned elements,
             const double* __restrict__ partial, double* __restrict__ norms,
             Coefficients* __restrict__ coefficients) {
  const unsigned sample =
      blockIdx.x * (kNormThreads / gpu::kWarpSize) + static_cast<unsigned>(gpu::warp_id());
  double s2 = 0, z2 = 0;
  for (unsigned tile = gpu::lane_id(); sample < samples && tile < tiles; tile += gpu::kWarpSize) {
    const double* at = partial + 2 * (static_cast<std::size_t>(sample) * tiles + tile);
    s2 = gpu::add_rn(s2, at[0]);
    z2 = gpu::add_rn(z2, at[1]);
  }
  s2 = gpu::warp_sum(s2);
  z2 = gpu::warp_sum(z2);
  if (gpu::lane_id() != 0 || sample >= samples) return;
  const double s = gpu::sqrt_rn(s2), z = gpu::sqrt_rn(z2);
  if (norm == SnrNorm::batch_mean) {
    norms[2 * sample] = gpu::div_rn(s, static_cast<double>(samples));
    norms[2 * sample + 1] = gpu::div_rn(z, static_cast<double>(samples));
  } else {
    const double fixed = gpu::sqrt_rn(static_cast<double>(elements));
    coefficients[sample] = size(s, norm == SnrNorm::sqrt_dim ? fixed : z);
  }
}

/// One block: adds up norms [N, 2] in order, and gives all samples one step size.
KERNEL(kMeanThreads)
mean_kernel(StepSize size, unsigned samples, const double* __restrict__ norms,
            Coefficients* __restrict__ coefficients) {
  __shared__ double tile[2 * kMeanThreads];
  double s = 0, z = 0;
  for (unsigned first = 0; first < samples; first += kMeanThreads) {
    const unsigned i = first + threadIdx.x;
    __syncthreads();  // the tile before this one may still be read
    tile[2 * threadIdx.x] = i < samples ? norms[2 * i] : 0;
    tile[2 * threadIdx.x + 1] = i < samples ? norms[2 * i + 1] : 0;
    __syncthreads();
#pragma unroll 8
    for (int j = 0; j < kMeanThreads; ++j) {
      s = gpu::add_rn(s, tile[2 * j]);
      z = gpu::add_rn(z, tile[2 * j + 1]);
    }
  }
  const Coefficients all = size(s, z);
  for (unsigned i = threadIdx.x; i < samples; i += kMeanThreads) coefficients[i] = all;
}

template <class T>
KERNEL(gpu::kQuadThreads)
update_kernel(gpu::UpdateArguments<T> a, const Coefficients* __restrict__ coefficients) {
  const gpu::QuadPlace p(a.grid);
  if (p.count == 0) return;
  const Coefficients k = coefficients[p.sample];
  gpu::update_quad(a, p, 1.0f, k.score, k.noise);
}

template <class T>
void step(Launch& launch, const gpu::UpdateArguments<T>& a, const ops::LangevinAttrs& attrs,
          unsigned samples) {
  const gpu::Stream stream = launch.stream();
  const unsigned tiles = gpu::blocks_for(a.grid.per_sample, kTileThreads);
  auto* partial = launch.scratch<double>(2 * static_cast<std::int64_t>(samples) * tiles);
  auto* norms = launch.scratch<double>(2 * static_cast<std::int64_t>(samples));
  auto* coefficients = launch.scratch<Coefficients>(samples);
  const StepSize size{a.table, a.row, a.rows, attrs.snr};
  gpu::check(
      gpu::launch(tiles_kernel<T>, samples * tiles, kTileThreads, 0, stream, a, tiles, partial));
  gpu::check(gpu::launch(norms_kernel, gpu::blocks_for(samples, kNormThreads / gpu::kWarpSize),
                         kNormThreads, 0, stream, size, attrs.norm, samples, tiles, a.grid.elements,
                         partial, norms, coefficients));
  if (attrs.norm == SnrNorm::batch_mean) {
    gpu::check(
        gpu::launch(mean_kernel, 1, kMeanThreads, 0, stream, size, samples, norms, coefficients));
  }
  gpu::launch_quads(launch, a.grid, update_kernel<T>, a, coefficients);
}

void forward(Launch& launch, const Tensors& in, const Tensors& out, const void* attrs) {
  if (in[0].numel() == 0) return;
  const auto& a = *static_cast<const ops::LangevinAttrs*>(attrs);
  gpu::dispatch_element(in[0].dtype(), [&]<class T>() {
    step(launch, gpu::update_arguments<T>(in, out, a.key), a, static_cast<unsigned>(in[0].size(0)));
  });
}

/// The table is always f64; the state decides.
bool handles(const Specs& inputs, const void*) { return inputs[0].dtype != DType::f64; }

}  // namespace

GpuKernels langevin_step_kernels() { return {.forward = forward, .handles = handles}; }

}  // namespace ito::ITO_GPU_NS
