// Energy-based scores: s = -grad E, the gradient of a scalar, so that its field has no curl.
#pragma once

#include "models/network.h"

namespace ito::nn {

/// What a network of an energy returns. An SDE whose score is c times the network's output needs
/// `score` for c > 0 (VE) and `noise` for c < 0 (VP and others, -1 / sigma): the other one would
/// make of E >= 0, a wall wherever it grows, a density that grows with it.
enum class EnergyOutput { score, noise };

/// Any network f as an energy E(x) = |x - f(x, label)|^2 / 2 >= 0 (as in Salimans and Ho 2021,
/// "Should EBMs model the energy or the score?"), and as a network whose output is
/// -dE/dx = -(x - f) + (df/dx)'(x - f), or dE/dx for `noise`. Training it differentiates f twice.
class EnergyNetwork final : public Network {
 public:
  EnergyNetwork(std::unique_ptr<Network> inner, EnergyOutput output)
      : inner_(std::move(inner)), output_(output) {}

  /// E of each sample [N]; x [N, ...], labels [N].
  Tensor energy(const Tensor& x, const Tensor& labels, const ForwardOptions& options = {}) const;
  EnergyOutput output() const { return output_; }
  /// -dE/dx (`score`) or dE/dx (`noise`), like x.
  Tensor forward(const Tensor& x, const Tensor& labels,
                 const ForwardOptions& options) const override;
  int classes() const override { return inner_->classes(); }
  void list(ParameterList& list) override { inner_->list(list); }
  std::unique_ptr<Network> clone() const override {
    return std::make_unique<EnergyNetwork>(inner_->clone(), output_);
  }

 private:
  std::unique_ptr<Network> inner_;
  EnergyOutput output_;
};

}  // namespace ito::nn
