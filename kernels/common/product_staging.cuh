// How the operands of a matrix product reach shared memory. A source tells where the elements of an
// operand lie; a staging copies one tile of it. The product is D[m, n] = sum over k of A[m, k] B[k,
// n], and an operand is a set of lines, contiguous in memory piece by piece: lines along k (one per
// row of A or column of B), or lines across k (one per k).
//
// A source has
//   using Element;                      float or Bf16Bits
//   static constexpr bool kAlongK;      what its lines are
//   const Element* base;                also the address of copies that read nothing
//   std::int64_t batch_stride;          elements between the products of a batch
//   bool vectors;                       16 bytes at a multiple of 16 bytes of a line lie together
//   Outer outer(int line) const;        what the addresses of a line have in common
//   Inner inner(int position) const;    what the addresses of a position on all lines have in
//   common const Element* address(outer, inner) const;   null where the element is zero
#pragma once

#include "kernels/common/gpu_kernels.h"

namespace ito::ITO_GPU_NS {

using gpu::Bf16Bits;

/// A dense matrix of contiguous lines, `stride` elements apart.
template <class T, bool kLinesAlongK>
struct MatrixSource {
  using Element = T;
  static constexpr bool kAlongK = kLinesAlongK;
  const T* base;
  std::int64_t batch_stride;
  std::int64_t stride;
  bool vectors;

  DEV const T* outer(int line) const { return base + line * stride; }
  DEV int inner(int position) const { return position; }
  DEV const T* address(const T* line, int position) const { return line + position; }
};

template <class T, bool kLinesAlongK>
MatrixSource<T, kLinesAlongK> matrix_source(const T* base, std::int64_t line_length,
                                            std::int64_t batch_stride = 0) {
  return {base, batch_stride, line_length,
          gpu::aligned16(base) && line_length % gpu::Pack<T>::kSize == 0};
}

/// Copies tiles of kWidth rows of A (or columns of B) by kDepth values of k to shared memory, line
/// by line as the source has them. Lines are padded by 16 bytes, so that the same 16 bytes of eight
/// neighbouring lines lie on different banks.
template <class Source, int kWidth, int kDepth, int kThreads>
class Staging {
 public:
  using T = typename Source::Element;
  static constexpr bool kAlongK = Source::kAlongK;
  static constexpr int kPack = gpu::Pack<T>::kSize;
  static constexpr int kLines = kAlongK ? kWidth : kDepth;
  static constexpr int kStride = (kAlongK ? kDepth : kWidth) + kPack;
  static constexpr int kSize = kLines * kStride;  ///< elements of a tile

  /// `first` of `width` rows or columns.
  DEV Staging(const Source& source, int first, int width)
      : source_(source), first_(first), width_(width) {
    const int last = width - 1;  // lines beyond it are not read, but must have an address
    if constexpr (kAlongK) {
#pragma unroll
      for (int pass = 0; pass < kPasses; ++pass) {
        const int line = first + line_of(pass);
        known_[pass] = source.outer(line < last ? line : last);
      }
    } else {
      const int position = first + position_of();
      known_[0] = source.inner(position < last ? position : last);
    }
  }

  /// Starts the copy of k ... k + kDepth - 1, with zeros from `k_end` on and beyond the width. The
  /// caller commits and waits.
  DEV void start(T* tile, int k, int k_end) const {
    if (source_.vectors) {
      start_packs(tile, k, k_end);
    } else {
      copy_elements(tile, k, k_end);
    }
  }

 private:
  static constexpr int kChunks = (kStride - kPack) / kPack;  // of a line
  static constexpr int kLinesPerPass = kThreads / kChunks;
  static constexpr int kPasses = kLines / kLinesPerPass;
  static_assert(kThreads % kChunks == 0 && kLines % kLinesPerPass == 0);
  using Outer = decltype(std::declval<Source>().outer(0));
  using Inner = decltype(std::declval<Source>().inner(0));
  using Known = std::conditional_t<kAlongK, Outer, Inner>;

  DEV static int position_of() { return gpu::thread_rank() % kChunks * kPack; }
  DEV static int line_of(int pass) { return gpu::thread_rank() / kChunks + pass * kLinesPerPass; }

  DEV void start_packs(T* tile, int k, int k_end) const {
    const int position = position_of();
    if constexpr (kAlongK) {
      const Inner inner = source_.inner(k + position);
#pragma unroll
      for (int pass = 0; pass < kPasses; ++pass) {
        const int line = line_of(pass);
        const bool inside = k + position < k_end && first_ + line < width_;
        start_pack(tile + line * kStride + position,
                   inside ? source_.address(known_[pass], inner) : nullptr);
      }
    } else {
#pragma unroll
      for (int pass = 0; pass < kPasses; ++pass) {
        const int line = line_of(pass);
        const bool inside = k + line < k_end && first_ + position < width_;
        start_pack(tile + line * kStride + position,
                   inside ? source_.address(source_.outer(k + line), known_[0]) : nullptr);
      }
    }
  }

  DEV void start_pack(T* to, const T* from) const {
    gpu::cp_async16(to, from != nullptr ? from : source_.base, from != nullptr ? 16 : 0);
  }

  /// The same element by element, for channels that do not fill 16 bytes.
  DEV void copy_elements(T* tile, int k, int k_end) const {
#pragma unroll 1
    for (int i = 0; i < kPasses * kPack; ++i) {
      const int line = line_of(i / kPack), position = position_of() + i % kPack;
      const int at = k + (kAlongK ? position : line), across = first_ + (kAlongK ? line : position);
      T value{};
      if (at < k_end && across < width_) {
        const T* from = source_.address(source_.outer(kAlongK ? across : at),
                                        source_.inner(kAlongK ? at : across));
        if (from != nullptr) value = *from;
      }
      tile[line * kStride + position] = value;
    }
  }

  const Source& source_;
  int first_, width_;
  Known known_[kAlongK ? kPasses : 1];
};

}  // namespace ito::ITO_GPU_NS
