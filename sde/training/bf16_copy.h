// Mixed precision: passes in bf16, everything that the optimizer keeps in f32.
#pragma once

#include <memory>

#include "sde/training/arena.h"

namespace ito::sde {

/// A bf16 copy of an f32 network in training (Micikevicius et al. 2018, without loss scaling: bf16
/// has the exponents of f32). Passes run on the copy; their gradients are summed in f32.
class Bf16Copy {
 public:
  explicit Bf16Copy(const nn::Network& network);

  nn::Network& network() const { return *network_; }
  /// Rounds `weights`, laid out as the f32 network's arena.
  void load(const Tensor& weights);

 private:
  std::unique_ptr<nn::Network> network_;
  Tensor weights_;
};

}  // namespace ito::sde
