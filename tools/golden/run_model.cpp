// Cases model_*: a network's output, its score, a scalar of it, and all gradients.
#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "kernels/reduce/op.h"
#include "sde/score.h"
#include "tools/golden/case_run.h"

namespace ito::golden {
namespace {

constexpr double kOutputLimit = 1e-4;

void expect_score(CaseRun& run, const nn::Network& network, const Tensor& x) {
  const NoGradScope off;
  const bool continuous = run.golden().flag("training.continuous", true);
  const sde::Labelling how{.labels = continuous ? sde::Labels::continuous : sde::Labels::discrete,
                           .levels = levels_of(run),
                           .rounding = sde::IndexRounding::truncate};
  const sde::ScoreFn score = sde::make_score(
      [&](const Tensor& xt, const Tensor& labels) { return network.forward(xt, labels); },
      make_sde(run), how);
  const std::vector<double> t = values(run.golden().at("input.t"));
  run.expect_image("output.score", score(x, t), kOutputLimit);
}

}  // namespace

void run_model(CaseRun& run) {
  const auto network = make_network(run);
  const Tensor v = run.image("input.v"), labels = run.input("input.labels");
  Tensor x = run.image("input.x");
  if (run.golden().has("output.score")) expect_score(run, *network, x);
  track_parameters(nn::parameters_of(*network));
  x.set_requires_grad();
  const Tensor y = network->forward(x, labels);
  run.expect_image("output.y", y, kOutputLimit);
  const Tensor loss = ops::sum(y * v);
  expect_loss(run, loss, y, v);
  expect_gradients(run, *network, loss, x);
}

}  // namespace ito::golden
