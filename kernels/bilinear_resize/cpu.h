#pragma once

#include "engine/autograd/op_info.h"
#include "kernels/bilinear_resize/params.h"

namespace ito {

struct ResizeGeometry {
  Shape x, y;  ///< [N, H, W, C]
  ResizeAxis rows, columns;
};

void bilinear_resize_cpu(const ResizeGeometry&, const float* x, float* y);
void bilinear_resize_cpu(const ResizeGeometry&, const BFloat16* x, BFloat16* y);
void bilinear_resize_cpu(const ResizeGeometry&, const double* x, double* y);

}  // namespace ito
