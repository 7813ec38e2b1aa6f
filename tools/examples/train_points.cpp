// Trains a score model on points of the plane and samples it, with nothing but the library.
#include <cmath>
#include <cstdio>
#include <numeric>

#include "models/make.h"
#include "samplers/pc.h"
#include "sde/config.h"
#include "sde/training/trainer.h"
#include "tools/data/batch_source.h"

int main() {
  using namespace ito;

  // Data: eight Gaussians on a circle.
  const std::shared_ptr<const data::Dataset> points =
      data::open_dataset({.name = "gaussians8"}, data::Split::train);
  const data::BatchSource batches(points, 256, /*seed=*/1);

  // Model: a small network for the VP SDE, trained by denoising score matching.
  const std::shared_ptr<const sde::Sde> vp = sde::make_sde({.name = "vp"});
  const nn::ModelConfig model{
      .name = "mlp", .nf = 64, .num_res_blocks = 3, .dropout = 0, .init_scale = 1};
  sde::Trainer trainer(nn::make_network(model, {.image_size = 1, .channels = 2}, /*seed=*/1), vp,
                       {.reduce_mean = true}, {.lr = 2e-3, .warmup = 50, .ema_rate = 0.99},
                       {.batch = 256}, /*levels=*/1000);
  for (int64_t step = 0; step < 600; ++step) {
    Tensor batch = Tensor::empty({256, 1, 1, 2}, DType::f32);
    batches.batch_at(step, batch.span<float>(), {}, {});
    const sde::StepReport report = trainer.step(batch);
    if (step % 200 == 0) std::printf("step %3d  loss %.3f\n", static_cast<int>(step), report.loss);
  }

  // Samples: 100 steps of ancestral sampling with the averaged weights.
  const sde::NetworkFn network = [&](const Tensor& x, const Tensor& labels) {
    return trainer.ema_network().forward(x, labels);
  };
  std::vector<int64_t> indices(1000);
  std::iota(indices.begin(), indices.end(), 0);
  const samplers::NoiseSource noise{.seed = 7};
  const Tensor start = samplers::prior_sample(*vp, {1, 1, 2}, indices, noise);
  const auto options = samplers::pc_options({.predictor = "ancestral_sampling", .steps = 100}, *vp);
  const Tensor x =
      samplers::sample_pc(sde::make_score(network, vp, {}), *vp, start, indices, options, noise).x;

  // The Gaussians lie on a circle: print how far from its centre the samples are.
  double radius = 0;
  for (size_t i = 0; i < indices.size(); ++i) {
    radius += std::hypot(x.data<float>()[2 * i], x.data<float>()[2 * i + 1]) / 1000;
  }
  std::printf("mean distance from the centre %.2f (data: about 1.41)\n", radius);
}
