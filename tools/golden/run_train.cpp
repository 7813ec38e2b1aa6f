// Cases train_*: a few steps of the trainer with recorded batches, times and noise.
#include <algorithm>

#include "kernels/permute/op.h"
#include "kernels/reshape/op.h"
#include "kernels/slice/op.h"
#include "sde/training/trainer.h"
#include "tools/golden/case_run.h"

namespace ito::golden {
namespace {

constexpr double kParameterLimit = 1e-3;

/// A rounding error that the reference itself has widens a limit.
double step_limit(const CaseRun& run, const std::string& name) {
  return std::max(1e-4, 10 * run.golden().relative_error(name));
}

sde::OptimConfig optimizer_of(const Case& c) {
  const std::string name = c.text("optim.optimizer", "Adam");
  if (name != "Adam") throw Unknown("optimizer:" + name);
  sde::OptimConfig optim;
  optim.lr = c.number("optim.lr", optim.lr);
  optim.beta1 = c.number("optim.beta1", optim.beta1);
  optim.beta2 = c.number("info.beta2", optim.beta2);
  optim.eps = c.number("optim.eps", optim.eps);
  optim.weight_decay = c.number("optim.weight_decay", optim.weight_decay);
  optim.warmup = static_cast<int>(c.number("optim.warmup", optim.warmup));
  optim.grad_clip = c.number("optim.grad_clip", optim.grad_clip);
  optim.ema_rate = c.number("info.ema_rate", optim.ema_rate);
  return optim;
}

/// dsm, smld or ddpm: `info.loss`, or what continuous or discrete training means for the SDE.
sde::ObjectiveConfig objective_of(const Case& c, const sde::Sde& sde) {
  const bool continuous = c.flag("info.continuous", c.flag("training.continuous", true));
  const std::string discrete = sde.name() == "ve" ? "smld" : "ddpm";
  sde::ObjectiveConfig objective;
  objective.kind = c.text("info.loss", continuous ? "dsm" : discrete);
  objective.continuous = objective.kind == "dsm";
  objective.reduce_mean = c.flag("info.reduce_mean", false);
  objective.likelihood_weighting = c.flag("info.likelihood_weighting", false);
  return objective;
}

sde::Trainer trainer_of(const CaseRun& run, int batch) {
  const Case& c = run.golden();
  if (run.mode().precision == Precision::bf16) throw Unknown("training:bf16");
  const auto sde = make_sde(run);
  return sde::Trainer(make_network(run), sde, objective_of(c, *sde), optimizer_of(c),
                      {.batch = batch}, levels_of(run));
}

/// Times or noise level indices, one per image.
struct Draws {
  enum class Kind : uint8_t { times, indices };
  std::string name;
  Kind kind = Kind::times;
};

/// `prefix` is "input." or "input.eval_".
Draws draws_of(const Case& c, const std::string& prefix) {
  for (const char* name : {"labels_drawn", "labels"}) {
    if (c.has(prefix + name)) return {prefix + name, Draws::Kind::indices};
  }
  if (c.has(prefix + "t")) return {prefix + "t", Draws::Kind::times};
  throw Unknown("no-array:" + prefix + "t");
}

/// The draws of images [first, first + batch), with their noise.
sde::RecordedDraws recorded(const CaseRun& run, const Draws& draws, int64_t first, int64_t batch,
                            Tensor z) {
  const std::vector<double> all = values(run.golden().at(draws.name));
  const auto begin = all.begin() + first, end = begin + batch;
  sde::RecordedDraws list{.z = std::move(z)};
  if (draws.kind == Draws::Kind::times) {
    list.t.assign(begin, end);
  } else {
    list.index.assign(begin, end);
  }
  return list;
}

/// Entry `i` of a stack [steps, N, C, H, W] of batches, as [N, H, W, C].
Tensor batch_of(const CaseRun& run, const std::string& name, int64_t i) {
  const Tensor stack = run.input(name);
  const Shape image{stack.size(1), stack.size(2), stack.size(3), stack.size(4)};
  const Tensor one = ops::reshape(ops::slice(stack, 0, i, i + 1), image);
  return ops::permute(one, {0, 2, 3, 1});
}

void expect_parameters(CaseRun& run, const std::string& prefix, nn::Network& network) {
  for (const nn::Parameter& p : nn::parameters_of(network)) {
    const std::string name = prefix + p.reference_name;
    if (p.training == nn::Training::frozen) continue;
    if (run.golden().zero_in_theory(name)) {
      run.skip(name);
    } else {
      run.expect(name, nn::to_reference(p.value->detach(), p.layout), kParameterLimit);
    }
  }
}

}  // namespace

void run_train(CaseRun& run) {
  const Case& c = run.golden();
  const Shape& stack = c.at("input.batches").shape();  // [steps, N, C, H, W]
  const int64_t steps = stack[0], batch = stack[1];
  const Draws draws = draws_of(c, "input."), eval_draws = draws_of(c, "input.eval_");
  sde::Trainer trainer = trainer_of(run, static_cast<int>(batch));
  std::vector<double> losses, norms, rates;
  for (int64_t i = 0; i < steps; ++i) {
    const sde::StepReport report =
        trainer.step(batch_of(run, "input.batches", i),
                     recorded(run, draws, i * batch, batch, batch_of(run, "input.z", i)));
    losses.push_back(report.loss);
    norms.push_back(report.grad_norm);
    rates.push_back(report.lr);
  }
  run.expect("output.losses", losses, step_limit(run, "output.losses"));
  const std::string norms_name = "output.grad_norms_preclip";
  if (c.has(norms_name)) run.expect(norms_name, norms, step_limit(run, norms_name));
  run.expect("output.lrs", rates, 1e-9);
  expect_parameters(run, "after.", trainer.network());
  expect_parameters(run, "ema.", trainer.ema_network());
  const double evaluated =
      trainer.evaluate(batch_of(run, "input.batches", 0), 0,
                       recorded(run, eval_draws, 0, batch, run.image("input.eval_z")));
  run.expect("output.eval_loss_ema", {evaluated}, step_limit(run, "output.eval_loss_ema"));
}

}  // namespace ito::golden
