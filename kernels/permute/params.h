// Attributes of permute, which its GPU kernel reads as well.
#pragma once

#include <vector>

#include "kernels/common/strided_copy.h"

namespace ito {

struct PermuteAttrs {
  std::vector<int> axes;
};

/// Strides of x in the order of y's axes.
inline Strides permuted_strides(const Shape& x, const std::vector<int>& axes) {
  const Strides of_x = row_major_strides(x);
  Strides strides{};
  for (size_t j = 0; j < axes.size(); ++j) {
    strides[j] = of_x[static_cast<size_t>(x.normalize(axes[j]))];
  }
  return strides;
}

}  // namespace ito
