#include "samplers/solvers/rows.h"

#include <numeric>

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/concat/op.h"
#include "kernels/gather/op.h"
#include "kernels/unary/op.h"

namespace ito::samplers {

Tensor select_rows(const Tensor& a, const Tensor& b, const Tensor& pick) {
  const int64_t n = a.size(0);
  std::vector<double> own(static_cast<size_t>(n));
  std::iota(own.begin(), own.end(), 0.0);
  const Tensor rows = Tensor::from(own, {n}, a.device()) + static_cast<double>(n) * pick;
  return ops::gather(ops::concat({a, b}, 0), ops::cast(rows, DType::i64));
}

}  // namespace ito::samplers
