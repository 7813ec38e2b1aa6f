// Energy-based scores: s = -grad E, the gradient of a scalar, so that its field has no curl.
#pragma once

#include "models/network.h"

namespace ito::nn {

/// Any network f as an energy E(x) = |x - f(x, label)|^2 / 2 >= 0 (as in Salimans and Ho 2021,
/// "Should EBMs model the energy or the score?"), and as a score network whose output is
/// -dE/dx = -(x - f) + (df/dx)'(x - f). Training it differentiates f twice.
///
/// With a radius R > 0 f is given R tanh(x / R), element by element, so that it is bounded: an f
/// that may follow x to infinity leaves the energy without a wall where there is no data, and
/// samplers that come there never return.
class EnergyNetwork final : public Network {
 public:
  EnergyNetwork(std::unique_ptr<Network> inner, double radius)
      : inner_(std::move(inner)), radius_(radius) {}

  /// E of each sample [N]; x [N, ...], labels [N].
  Tensor energy(const Tensor& x, const Tensor& labels, const ForwardOptions& options = {}) const;
  /// -dE/dx, like x.
  Tensor forward(const Tensor& x, const Tensor& labels,
                 const ForwardOptions& options) const override;
  int classes() const override { return inner_->classes(); }
  void list(ParameterList& list) override { inner_->list(list); }
  std::unique_ptr<Network> clone() const override {
    return std::make_unique<EnergyNetwork>(inner_->clone(), radius_);
  }

 private:
  std::unique_ptr<Network> inner_;
  double radius_;
};

}  // namespace ito::nn
