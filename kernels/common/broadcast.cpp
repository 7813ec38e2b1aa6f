#include "kernels/common/broadcast.h"

#include "engine/core/check.h"

namespace ito {
namespace {

/// Strides of `s`, aligned right against a result of rank `rank`; 0 where it is repeated.
void aligned_strides(const Shape& s, const Shape& out, int64_t* strides) {
  int64_t step = 1;
  for (int i = 1; i <= out.rank(); ++i) {
    const int64_t size = i <= s.rank() ? s[-i] : 1;
    ITO_CHECK(size == out[-i] || size == 1, ShapeError, "shape does not broadcast", kv("from", s),
              kv("to", out));
    strides[out.rank() - i] = size == 1 ? 0 : step;
    step *= size;
  }
}

}  // namespace

BroadcastPlan plan_broadcast(const Shape& a, const Shape& b, const Shape& out) {
  ITO_CHECK(a.rank() <= out.rank() && b.rank() <= out.rank(), ShapeError,
            "shape does not broadcast", kv("a", a), kv("b", b), kv("to", out));
  int64_t sa[Shape::kMaxRank] = {}, sb[Shape::kMaxRank] = {};
  aligned_strides(a, out, sa);
  aligned_strides(b, out, sb);
  // From the innermost axis outwards: an axis joins the one inside it if both operands step over it
  // as over one longer axis. Axes of size 1 disappear.
  BroadcastPlan reversed;
  for (int i = out.rank() - 1; i >= 0; --i) {
    const int64_t size = out[i];
    if (size == 1) continue;
    const int last = reversed.rank - 1;
    if (last >= 0 && sa[i] == reversed.stride_a[last] * reversed.sizes[last] &&
        sb[i] == reversed.stride_b[last] * reversed.sizes[last]) {
      reversed.sizes[last] *= size;
      continue;
    }
    reversed.sizes[reversed.rank] = size;
    reversed.stride_a[reversed.rank] = sa[i];
    reversed.stride_b[reversed.rank] = sb[i];
    ++reversed.rank;
  }
  if (reversed.rank == 0) {
    reversed.sizes[0] = 1;
    reversed.stride_a[0] = reversed.stride_b[0] = 1;
    reversed.rank = 1;
  }
  BroadcastPlan plan = reversed;
  for (int i = 0; i < plan.rank; ++i) {
    plan.sizes[i] = reversed.sizes[plan.rank - 1 - i];
    plan.stride_a[i] = reversed.stride_a[plan.rank - 1 - i];
    plan.stride_b[i] = reversed.stride_b[plan.rank - 1 - i];
  }
  return plan;
}

int64_t BroadcastPlan::rows() const {
  int64_t product = 1;
  for (int i = 0; i + 1 < rank; ++i) product *= sizes[i];
  return product;
}

BroadcastPlan::Offsets BroadcastPlan::offsets(int64_t row) const {
  Offsets at{0, 0};
  for (int i = rank - 2; i >= 0; --i) {
    const int64_t index = row % sizes[i];
    row /= sizes[i];
    at.a += index * stride_a[i];
    at.b += index * stride_b[i];
  }
  return at;
}

}  // namespace ito
