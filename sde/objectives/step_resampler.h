// Training steps drawn where their loss is largest (Nichol and Dhariwal 2021, section 3.3).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ito::sde {

/// p_i proportional to sqrt(E[L_i^2]) over the last `history` losses of step i, mixed with
/// `uniform` of the uniform distribution; uniform alone until every step has a full history.
/// Its state is that history: equal sequences of updates give equal draws.
class StepResampler {
 public:
  /// Throws ValueError unless levels and history are >= 1 and uniform is in (0, 1].
  explicit StepResampler(int levels, int history = 10, double uniform = 0.001);

  std::vector<double> probabilities() const;

  struct Draw {
    int index;
    double weight;  ///< 1 / (levels p): keeps the expected loss that of uniform draws
  };
  /// The step whose part of the cumulative distribution holds u, in [0, 1).
  Draw draw(double u) const;

  /// Takes the losses of drawn steps, before weighting.
  void update(std::span<const int> indices, std::span<const double> losses);

 private:
  int levels_, history_;
  double uniform_;
  std::vector<double> losses_;   // [levels, history], a ring for each step
  std::vector<int64_t> counts_;  // [levels]: losses seen
};

}  // namespace ito::sde
