#include "samplers/solvers/rows.h"

#include <algorithm>
#include <numeric>

#include "engine/core/check.h"
#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/concat/op.h"
#include "kernels/gather/op.h"
#include "kernels/reduce/op.h"
#include "kernels/reshape/op.h"
#include "kernels/unary/op.h"

namespace ito::samplers {

Tensor select_rows(const Tensor& a, const Tensor& b, const Tensor& pick) {
  const int64_t n = a.size(0);
  ITO_CHECK(n <= int64_t{1} << 23, ShapeError, "too many rows", kv("rows", n));
  std::vector<double> own(static_cast<size_t>(n));
  std::iota(own.begin(), own.end(), 0.0);
  // GPUs have no arithmetic of integers and doubles here: row numbers are exact in f32, too.
  const Tensor first = ops::cast(Tensor::from(own, {n}), pick.dtype()).to(pick.device());
  const Tensor rows = first + static_cast<double>(n) * pick;
  return ops::gather(ops::concat({a, b}, 0), ops::cast(rows, DType::i64));
}

Tensor select_rows(const Tensor& a, const Tensor& b, const std::vector<int64_t>& pick) {
  if (std::ranges::all_of(pick, [](int64_t p) { return p == 1; })) return b;
  if (std::ranges::all_of(pick, [](int64_t p) { return p == 0; })) return a;
  std::vector<int64_t> index;
  for (size_t n = 0; n < pick.size(); ++n) {
    index.push_back(pick[n] * a.size(0) + static_cast<int64_t>(n));
  }
  return ops::gather(ops::concat({a, b}, 0), Tensor::from(index, {a.size(0)}, a.device()));
}

std::vector<double> mean_squares(const Tensor& x) {
  const Tensor mean = ops::mean(ops::flatten(ops::square(x)), {1});
  return ops::cast(mean, DType::f64).to_vector<double>();
}

}  // namespace ito::samplers
