// What the tape needs of ops: see Algebra in engine/autograd/op_info.h.
#include "engine/core/parallel.h"
#include "kernels/binary/op.h"
#include "kernels/common/define_op.h"
#include "kernels/reduce/op.h"
#include "kernels/reshape/op.h"

namespace ito {
namespace {

Tensor identity(const Tensor& x) { return ops::reshape(x, x.shape()); }

void accumulate(const Tensor& target, const Tensor& value) {
  ITO_CHECK(value.shape() == target.shape() && value.dtype() == target.dtype(), ShapeError,
            "a gradient must have its leaf's shape and dtype", kv("leaf", describe(target)),
            kv("gradient", describe(value)));
  dispatch_float(target.dtype(), "accumulate", [&]<class T>() {
    T* to = target.data<T>();
    const T* from = value.data<T>();
    parallel_ranges(target.numel(), 1 << 14, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        to[i] = static_cast<T>(static_cast<Acc<T>>(to[i]) + static_cast<Acc<T>>(from[i]));
      }
    });
  });
  target.storage()->bump_version();
}

}  // namespace

const Algebra kAlgebra = {&identity, &ops::add, &ops::sum_to, &accumulate};

}  // namespace ito
