// Matrix products.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

enum class Transpose : uint8_t { no, yes };

/// Which operands are transposed in their last two axes before the product.
struct MatmulAttrs {
  Transpose a = Transpose::no;
  Transpose b = Transpose::no;
};

/// C[..., m, n] = sum_k A[..., m, k] B[..., k, n] + bias[n]; a [..., M, K], b [..., K, N] after
/// transposition, result [..., M, N]. Leading axes are equal, or absent on one side, which is then
/// shared. f32, bf16 or f64, one dtype; sums in float or double. A row of the result depends on its
/// own row of A alone, bit for bit. Throws ShapeError, DTypeError.
Tensor matmul(const Tensor& a, const Tensor& b, const MatmulAttrs& attrs = {},
              const Tensor& bias = {});

/// y = x w^T + bias: x [..., K], w [N, K], bias [N] or undefined; y [..., N].
Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias);

}  // namespace ito::ops
