// Class probabilities from logits, and their gradient in the image, which guides samplers.
#pragma once

#include <span>

#include "models/network.h"

namespace ito::nn {

/// log softmax over the last axis: x_i - m - ln sum_j exp(x_j - m), m = max_j x_j. logits [N, K],
/// any floating dtype. Differentiable any number of times.
Tensor log_softmax(const Tensor& logits);

/// [N, count] on `device`: row n is 1 at classes[n] and 0 elsewhere. Throws ValueError for a class
/// outside [0, count).
Tensor one_hot(std::span<const int64_t> classes, int64_t count, DType dtype, Device device);

/// -log p(y | x) [N] of logits [N, K], with targets from one_hot (or any distribution over
/// classes).
Tensor cross_entropy(const Tensor& logits, const Tensor& targets);

/// grad_x log p_t(y | x) [N, H, W, C] for every image of a batch, by one vector-Jacobian product of
/// sum_n log softmax(logits)[n, y_n] (Song et al. 2021, eq. 14 and appendix I.1). `classifier`
/// returns logits; x and labels [N] are as it takes them (sigma(t), spec 4); targets [N, K] from
/// one_hot, of x's dtype and device: made once, so that the call can be part of a recorded graph.
/// Records on a tape of its own, also inside a NoGradScope.
Tensor classifier_gradient(const Network& classifier, const Tensor& x, const Tensor& labels,
                           const Tensor& targets);

}  // namespace ito::nn
