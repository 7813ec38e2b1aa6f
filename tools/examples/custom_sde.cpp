// An SDE of one's own, dx = -t x dt + sqrt(2 t) dw: training, every sampler, likelihood.
#include <cstdio>
#include <numeric>

#include "kernels/reduce/op.h"
#include "kernels/reshape/op.h"
#include "kernels/unary/op.h"
#include "models/make.h"
#include "samplers/langevin/langevin_dynamics.h"
#include "samplers/likelihood/log_likelihood.h"
#include "samplers/pc.h"
#include "samplers/solvers/adaptive_sde.h"
#include "samplers/solvers/dpm_solver.h"
#include "samplers/solvers/edm_heun.h"
#include "samplers/solvers/stochastic_runge_kutta.h"
#include "sde/linear.h"
#include "sde/training/trainer.h"
#include "tools/data/batch_source.h"

using namespace ito;
using namespace ito::samplers;

/// The points that it was trained on lie around a circle of radius 1.41.
void show(const char* sampler, const SampleResult& r) {
  const Tensor radius = ops::sqrt(ops::sum(ops::square(ops::flatten(r.x)), {1}));
  std::printf("%-20s %5d evaluations, mean distance from the centre %.2f\n", sampler,
              static_cast<int>(r.evaluations), ops::mean(radius).item());
}

int main() {
  const auto f = [](double t) { return -t; };
  const auto g2 = [](double t) { return 2 * t; };
  const auto sde = std::make_shared<const sde::LinearSde>(
      sde::LinearConfig{.T = 2.5, .drift = f, .diffusion2 = g2, .sampling_eps = 0.02});

  const data::BatchSource points(data::open_dataset({.name = "gaussians8"}, {}), 256, 1);
  const nn::ModelConfig mlp{.name = "mlp", .nf = 64, .dropout = 0, .init_scale = 1};
  sde::Trainer trainer(nn::make_network(mlp, {.image_size = 1, .channels = 2}, 1), sde,
                       {.reduce_mean = true}, {.lr = 2e-3, .warmup = 50, .ema_rate = 0.99}, {}, 1);
  const Tensor batch = Tensor::empty({256, 1, 1, 2}, DType::f32);
  for (int64_t step = 0; step < 600; ++step) {
    points.batch_at(step, batch.span<float>(), {}, {});
    trainer.step(batch);
  }
  const sde::NetworkFn net = [&](auto& x, auto& t) { return trainer.ema_network().forward(x, t); };
  const sde::ScoreFn s = sde::make_score(net, sde, {});

  std::vector<int64_t> ids(256);
  std::iota(ids.begin(), ids.end(), 0);
  const NoiseSource z{.seed = 7};
  const Tensor x = prior_sample(*sde, {1, 1, 2}, ids, z);
  const auto grid = sde::TimeGrid::karras(*sde, 0.02, 40);
  const auto pc = pc_options({.corrector = "ald", .steps = 100, .snr = 0.1}, *sde);
  show("predictor-corrector", sample_pc(s, *sde, x, ids, pc, z));
  show("probability flow", sample_ode(s, *sde, x, {}));
  show("stochastic Heun", sample_stochastic_heun(s, *sde, x, ids, {.grid = grid}, z));
  show("SRA1", sample_sra1(s, *sde, x, ids, {.grid = grid}, z));
  show("adaptive", sample_adaptive(s, *sde, x, ids, {}, z));
  show("EDM Heun", sample_edm_heun(s, *sde, x, ids, {.grid = grid, .churn = 10}, z));
  show("DPM-Solver++", sample_dpm_solver(s, *sde, x, ids, {.grid = grid}, z));
  const AnnealedOptions levels{level_times(*sde, 10, 0.02), 30, 4e-5};
  show("annealed Langevin", sample_annealed_langevin(s, *sde, x, ids, levels, z));
  const Likelihood l = log_likelihood(s, *sde, batch, ids, {.eps = 0.02});
  std::printf("log-likelihood of the data %.2f nats\n", summarize(l.logp).mean);
}
