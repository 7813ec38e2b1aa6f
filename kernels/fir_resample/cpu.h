#pragma once

#include <vector>

#include "engine/autograd/op_info.h"

namespace ito {

/// One output sample along an axis: the sum over j < count of
/// taps[first_tap + j up] * x[first_pixel - j].
struct FirTerm {
  int first_tap = 0, count = 0;
  int64_t first_pixel = 0;
};

struct FirPlan {
  int64_t samples, height, width, channels;  ///< of the input
  int up;
  std::vector<double> taps;            ///< of one axis, with the gain
  std::vector<FirTerm> rows, columns;  ///< of the output
};

/// The vertical pass makes a row of intermediate values, the horizontal one turns it into a row of
/// the output.
void fir_resample_cpu(Launch& launch, const FirPlan& plan, const float* x, float* y);
void fir_resample_cpu(Launch& launch, const FirPlan& plan, const BFloat16* x, BFloat16* y);
void fir_resample_cpu(Launch& launch, const FirPlan& plan, const double* x, double* y);

}  // namespace ito
