// Element-wise kernels: y = f(x_0 ... x_{K-1}) where operands may repeat along axes. A thread takes
// 16 bytes of y where the innermost axis allows it, else one element; the function sees values in
// registers and never knows the shape.
#pragma once

#include "kernels/common/broadcast.h"
#include "kernels/common/index_space.cuh"

namespace ito::gpu {
inline namespace ITO_GPU_NS {

/// Operands x_0 ... x_{K-1}, then y.
template <int K, class T>
struct MapArguments {
  BoxIndex<K + 1> box;
  unsigned items;
  const T* x[K];
  T* y;
};

/// V neighbours, or one value for all of them.
template <int V, class T>
DEV void load_operand(const T* from, int64_t step, T (&values)[V]) {
  if constexpr (V == 1) {
    values[0] = *from;
  } else if (step == 0) {
    const T value = *from;
#pragma unroll
    for (int i = 0; i < V; ++i) values[i] = value;
  } else {
    const Pack<T> pack = load16(from);
#pragma unroll
    for (int i = 0; i < V; ++i) values[i] = pack.v[i];
  }
}

template <int V, int K, class T, class F>
KERNEL(kItemThreads)
map_kernel(MapArguments<K, T> a, F f) {
  const unsigned item = item_number();
  if (item >= a.items) return;
  int64_t at[K + 1];
  a.box.locate(item, at);
  T x[K][V], y[V];
#pragma unroll
  for (int k = 0; k < K; ++k) {
    load_operand<V>(a.x[k] + at[k], a.box.strides[a.box.rank - 1][k], x[k]);
  }
  f(x, y);
  if constexpr (V == 1) {
    a.y[at[K]] = y[0];
  } else {
    Pack<T> pack;
#pragma unroll
    for (int i = 0; i < V; ++i) pack.v[i] = y[i];
    store16(a.y + at[K], pack);
  }
}

/// Whether every thread may take V neighbours: operands repeat along the innermost axis, or lie on
/// multiples of 16 bytes.
template <int V, int K, class T>
bool is_wide(const Box<K + 1>& box, const std::array<const T*, K + 1>& operands) {
  if (box.inner() % V != 0) return false;
  for (std::size_t k = 0; k <= K; ++k) {
    const int64_t step = box.inner_strides()[k];
    if (step == 0 && k < K) continue;
    if (step != 1 || !aligned16(operands[k])) return false;
    for (int i = 0; i + 1 < box.rank; ++i) {
      if (box.strides[i][k] % V != 0) return false;
    }
  }
  return true;
}

template <int V, int K, class T, class F>
void launch_map(Launch& launch, Box<K + 1> box, const std::array<const T*, K>& x, T* y, F f) {
  box.sizes[box.rank - 1] /= V;
  for (int64_t& step : box.strides[box.rank - 1]) step *= V;
  for_parts(box, {}, [&](const Box<K + 1>& part, const std::array<int64_t, K + 1>& first) {
    MapArguments<K, T> a{BoxIndex<K + 1>(part), static_cast<unsigned>(part.items()), {}, {}};
    for (std::size_t k = 0; k < K; ++k) a.x[k] = x[k] + first[k];
    a.y = y + first[K];
    check(gpu::launch(map_kernel<V, K, T, F>, blocks_for(part.items(), kItemThreads), kItemThreads,
                      0, launch.stream(), a, f));
  });
}

/// y = f(x...) over a box that is not empty. f(const T (&x)[K][V], T (&y)[V]) is a functor of
/// trivial type.
template <int K, class T, class F>
void map(Launch& launch, const Box<K + 1>& box, std::array<const T*, K> x, T* y, F f) {
  constexpr int kWide = Pack<T>::kSize;
  constexpr int64_t kLong =
      1024;  // from here on, a tail of its own costs less than single elements
  std::array<const T*, K + 1> operands{};
  std::copy(x.begin(), x.end(), operands.begin());
  operands[K] = y;
  if (is_wide<kWide, K, T>(box, operands)) return launch_map<kWide, K, T>(launch, box, x, y, f);
  Box<K + 1> whole = box, tail = box;
  tail.sizes[0] = box.sizes[0] % kWide;
  whole.sizes[0] -= tail.sizes[0];
  if (box.rank > 1 || box.inner() < kLong || !is_wide<kWide, K, T>(whole, operands)) {
    return launch_map<1, K, T>(launch, box, x, y, f);
  }
  launch_map<kWide, K, T>(launch, whole, x, y, f);
  for (std::size_t k = 0; k < K; ++k) x[k] += whole.inner() * box.inner_strides()[k];
  launch_map<1, K, T>(launch, tail, x, y + whole.inner(), f);
}

/// The box of dense operands of `count` elements.
template <int K>
Box<K> flat_box(int64_t count) {
  Box<K> box;
  typename Box<K>::Offsets ones;
  ones.fill(1);
  box.add(count, ones);
  return box;
}

/// The box of a and b repeated over `out`, and the dense result.
inline Box<3> broadcast_box(const Shape& a, const Shape& b, const Shape& out) {
  const BroadcastPlan plan = plan_broadcast(a, b, out);
  Box<3> box;
  int64_t dense = out.numel();
  for (int i = 0; i < plan.rank; ++i) {
    dense /= plan.sizes[i];
    box.add(plan.sizes[i], {plan.stride_a[i], plan.stride_b[i], dense});
  }
  return box;
}

}  // namespace ITO_GPU_NS
}  // namespace ito::gpu
