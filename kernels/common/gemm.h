// Our own matrix product on the CPU.
//
// Every element of the result is one chain of fused multiply-adds over k = 0, 1, ..., K-1 in float
// (f32, bf16) or double, whatever the sizes, the tiling and the number of threads: a row of the
// result depends on nothing but its own row of A. Where the processor has dot products of pairs of
// bf16 the chain of a bf16 product is over pairs (bf16_dot.h). Packed panels and register tiles
// after Goto & van de Geijn, "Anatomy of high-performance matrix multiplication" (2008).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "engine/autograd/op_info.h"

namespace ito {

/// Element (i, j) is data[i * row_stride + j * col_stride]; one of the strides is 1.
template <class T>
struct MatrixView {
  const T* data = nullptr;
  int64_t row_stride = 0;
  int64_t col_stride = 1;
};

/// What the chain of an element starts from.
enum class GemmStart : uint8_t {
  zero,    ///< C = A B + bias
  result,  ///< C = C + A B, for results in the accumulation type
};

/// A depth in equal segments, each with rows of A of its own: the taps of a convolution, say.
template <class T>
struct Segments {
  int64_t count = 1;
  int64_t b_distance = 0;  ///< elements from a segment of B to the next
  /// Sets to[i] to the values of a segment in A's row `first + i`, or to null: zeros.
  std::function<void(int64_t segment, int64_t first, int64_t rows, const T** to)> rows;
};

/// C[m, n] = A[m, k] B[k, n] + bias[n], `batch` times at the given distances (0: shared).
/// C is row-major with rows `c_stride` apart. T, O: f32 f32, f64 f64, bf16 bf16, or bf16 f32.
template <class T, class O = T>
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  MatrixView<T> a, b;
  const T* bias = nullptr;  ///< [n], or null
  O* c = nullptr;
  int64_t c_stride = 0;
  GemmStart start = GemmStart::zero;
  int64_t batch = 1, a_batch = 0, b_batch = 0, c_batch = 0;
  const Segments<T>* segments = nullptr;  ///< or null: one, of a's rows. `a` is not used, batch 1
  const void* packed_b = nullptr;         ///< from packed_b() of the same b, or null
};

/// The B of p in the order in which a product reads it, kept where the storage of B keeps what is
/// derived from it (Storage::keep_derived): for weights that serve many products.
template <class T, class O>
std::shared_ptr<const void> packed_b(Storage& owner, const Gemm<T, O>& p);

/// Runs on all threads.
template <class T, class O>
void gemm(Launch& launch, const Gemm<T, O>& p);

/// Elements of workspace that gemm_serial needs.
int64_t gemm_workspace_size();

/// One product (batch 1) on the calling thread, for use inside a parallel loop.
template <class T, class O>
void gemm_serial(const Gemm<T, O>& p, Acc<T>* workspace);

}  // namespace ito
