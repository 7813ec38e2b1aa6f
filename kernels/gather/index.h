// What gather and scatter_add share.
#pragma once

#include "engine/autograd/op_info.h"

namespace ito {

inline void check_index_spec(const Spec& index) {
  ITO_CHECK(index.dtype == DType::i64 && index.shape.rank() == 1, DTypeError,
            "index must be i64 [M]", kv("dtype", index.dtype), kv("shape", index.shape));
}

/// Throws ValueError for the first index outside [0, rows).
inline void check_indices(std::span<const int64_t> index, int64_t rows) {
  for (const int64_t i : index) {
    ITO_CHECK(0 <= i && i < rows, ValueError, "index out of range", kv("index", i),
              kv("rows", rows));
  }
}

}  // namespace ito
