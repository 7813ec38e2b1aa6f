// Cases loss_*: denoising score matching, SMLD and DDPM at given times and noise.
#include "engine/autograd/autograd.h"
#include "kernels/reduce/op.h"
#include "sde/objectives/denoising.h"
#include "tools/golden/case_run.h"

namespace ito::golden {
namespace {

std::vector<sde::NoiseLevel> levels_of_batch(const CaseRun& run, const sde::Sde& sde) {
  const Case& c = run.golden();
  const std::string kind = c.text("info.loss", "dsm");
  std::vector<sde::NoiseLevel> list;
  if (kind == "dsm") {
    const auto weighting = c.flag("info.likelihood_weighting", false) ? sde::Weighting::likelihood
                                                                      : sde::Weighting::std2;
    for (const double t : values(c.at("input.t"))) {
      list.push_back(sde::continuous_level(sde, t, weighting));
    }
  } else if ((kind == "smld" && sde.name() == "ve") || (kind == "ddpm" && sde.name() == "vp")) {
    for (const double index : values(c.at("input.labels_drawn"))) {
      list.push_back(sde::discrete_level(sde, static_cast<int>(index), levels_of(run)));
    }
  } else {
    throw Unknown("loss:" + kind + "-with-" + std::string(sde.name()));
  }
  return list;
}

}  // namespace

void run_loss(CaseRun& run) {
  const Case& c = run.golden();
  const auto network = make_network(run);
  track_parameters(nn::parameters_of(*network));
  const auto sde = make_sde(run);
  const auto recorded = [&](const Tensor& x, const Tensor& labels) {
    const Tensor y = network->forward(x, labels);
    run.expect_image("model.input", x, 1e-5);
    run.expect("model.labels", labels, 1e-5);
    run.expect_image("model.output", y, 1e-4);
    return y;
  };
  const auto reduction =
      c.flag("info.reduce_mean", false) ? sde::Reduction::mean : sde::Reduction::half_sum;
  const Tensor each =
      sde::denoising_losses(recorded, run.image("input.batch"), levels_of_batch(run, *sde),
                            Tensor(), NoiseKey{}, reduction, run.image("input.z"));
  const Tensor loss = ops::mean(each);
  run.expect("loss", {loss.item()}, 5e-5);
  expect_gradients(run, *network, loss, Tensor());
}

}  // namespace ito::golden
