// Gradient checkpointing: parts of a computation that the tape keeps, or computes again.
#pragma once

#include <functional>

#include "engine/core/tensor.h"

namespace ito {

/// What the tape holds of a part until its gradient is taken: all that the gradients of its ops
/// need, or the part's inputs alone, from which it is computed a second time (Griewank and Walther
/// 2000; Chen et al. 2016).
enum class Activations : uint8_t { keep, recompute };

/// part(inputs) as one part of the tape. Undefined inputs are passed on. Both ways give the same
/// bits of results and of gradients: in both, what flows back to an input is added up within the
/// part first. Derivatives of gradients may differ by the order of their sums.
///
/// `part` must compute the same whenever it is called, and own what it uses (parameters by handle,
/// options by value): it lives as long as the tape. Tensors with a history that it uses must be
/// among the inputs; leaves need not. Throws AutogradError for a part that breaks this.
Tensor segment(Activations activations, const Tensors& inputs,
               std::function<Tensor(const Tensors&)> part);

}  // namespace ito
