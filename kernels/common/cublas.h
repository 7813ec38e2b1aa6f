// Matrix products through cuBLASLt, where its library is found at run time.
#pragma once

#include "engine/autograd/op_info.h"
#include "kernels/common/library.h"

namespace ito {

/// c = alpha * a b + beta * residual + bias, row-major: a [batch, m, k], b [batch, k, n] (stored
/// transposed where the flag says so), bias [n] or null, residual and c [batch, m, n]. A distance
/// of 0 between the products of a batch shares that operand. f32 (full fp32, no TF32) or bf16 with
/// fp32 sums.
struct CublasMatmul {
  int64_t m = 0, n = 0, k = 0, batch = 1;
  int64_t a_batch = 0, b_batch = 0;  ///< elements between the products of a batch
  bool transpose_a = false, transpose_b = false;
  DType dtype = DType::f32;
  const void *a = nullptr, *b = nullptr, *bias = nullptr, *residual = nullptr;
  void* c = nullptr;
  float alpha = 1, beta = 0;
};

/// Starts the product on the launch's stream. False: no library (environment ITO_CUBLASLT_LIBRARY
/// names another file), or none of its algorithms takes these sizes, and nothing was written; the
/// reason is in kernel_choices(). Algorithms are chosen once per shape; only those whose result is
/// the same every time.
bool cublaslt_matmul(Launch& launch, const CublasMatmul& call);

/// Opens the library if that was not done yet.
LibraryState cublaslt_state();

}  // namespace ito
