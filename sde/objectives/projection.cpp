#include "sde/objectives/projection.h"

#include <cmath>

#include "kernels/binary/op.h"
#include "kernels/noise/op.h"
#include "kernels/reduce/op.h"
#include "kernels/reshape/op.h"
#include "kernels/slice/op.h"
#include "kernels/unary/op.h"

namespace ito::sde {
namespace {

/// Rows [N, D] scaled to a norm.
Tensor with_norm(const Tensor& rows, double norm) {
  const Tensor squares = ops::reduce(ops::ReduceKind::sum, ops::square(rows), {1});
  return rows * (norm * ops::rsqrt(squares));
}

}  // namespace

std::vector<Tensor> draw_projections(Projection kind, const Tensor& x, const Tensor& samples,
                                     int count, NoiseKey key) {
  ITO_CHECK(count >= 1, ValueError, "at least one direction", kv("count", count));
  const int64_t d = x.numel() / x.size(0);
  const auto drawn =
      kind == Projection::rademacher ? ops::NoiseKind::rademacher : ops::NoiseKind::normal;
  const Tensor all = ops::noise(
      samples, {.kind = drawn, .sample_shape = {count * d}, .dtype = x.dtype(), .key = key});
  std::vector<Tensor> list;
  for (int64_t i = 0; i < count; ++i) {
    Tensor v = ops::slice(all, 1, i * d, (i + 1) * d);
    if (kind == Projection::sphere) v = with_norm(v, std::sqrt(static_cast<double>(d)));
    if (kind == Projection::unit_sphere) v = with_norm(v, 1);
    list.push_back(ops::reshape(v, x.shape()));
  }
  return list;
}

}  // namespace ito::sde
