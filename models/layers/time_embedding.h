// The noise level and the class, as networks see them.
#pragma once

#include <optional>

#include "models/config.h"
#include "models/layers/layers.h"

namespace ito::nn {

/// temb = linear1(act(linear0(e))) + classes[y], with e sinusoidal in the label (positional) or
/// random Fourier features of ln(sigma) (fourier); spec 3.1. The class y is added as in
/// class-conditional ADM (Dhariwal and Nichol 2021, section 3); the last row of its table stands
/// for no class (the null token of Ho and Salimans 2022, section 3.2). Every block applies the
/// activation before its own projection, so it is applied here, once.
struct TimeEmbedding {
  enum class Kind : uint8_t { positional, fourier };
  Kind kind = Kind::positional;
  int width = 0;                           ///< of e
  Tensor frequencies;                      ///< fourier: [nf], frozen
  std::optional<Linear> linear0, linear1;  ///< absent in networks without noise label
  Tensor classes;                          ///< [num_classes + 1, 4 nf], or undefined
  Activation activation = Activation::swish;

  TimeEmbedding() = default;
  /// `class_count` > 0 gives it a table of classes.
  TimeEmbedding(Init& init, const ModelConfig& model, int class_count = 0);

  /// act(temb) [N, 4 nf] of `dtype`, or undefined. labels [N]; y i64 [N], or undefined for no
  /// class. Throws ValueError for classes that the network does not take.
  Tensor operator()(const Tensor& labels, DType dtype, const Tensor& y = {}) const;

  /// output / sigma, where the label is sigma itself (fourier) or the index of a noise level, the
  /// largest sigma first (positional).
  Tensor divide_by_sigma(const Tensor& output, const Tensor& labels,
                         const ImageConfig& levels) const;

 private:
  Tensor with_class(const Tensor& temb, const Tensor& y) const;
};

}  // namespace ito::nn
