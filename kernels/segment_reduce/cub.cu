// GPU side of segment_reduce: cub::DeviceSegmentedReduce over iterators that read and widen the
// elements and that read the offsets, then a kernel that rounds the results. CUB gives a segment to
// a block and adds in an order that depends on the segment alone. A segment whose offsets fall or
// leave x counts as empty for CUB, so that nothing outside of x is read.
#include <thrust/iterator/counting_iterator.h>
#include <thrust/iterator/transform_iterator.h>

#include <cub/device/device_segmented_reduce.cuh>

#include "kernels/common/cub.cuh"
#include "kernels/segment_reduce/params.h"

namespace ito::ITO_GPU_NS {
namespace {

using ops::SegmentKind;

constexpr int kThreads = 256;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

DEV bool is_nan(float value) { return value != value; }

struct Segments {
  const int64_t* offsets;
  int64_t elements;
  DEV bool valid(int64_t s) const {
    return 0 <= offsets[s] && offsets[s] <= offsets[s + 1] && offsets[s + 1] <= elements;
  }
};
struct BeginOf {
  Segments segments;
  DEV int64_t operator()(int64_t s) const { return segments.valid(s) ? segments.offsets[s] : 0; }
};
struct EndOf {
  Segments segments;
  DEV int64_t operator()(int64_t s) const {
    return segments.valid(s) ? segments.offsets[s + 1] : 0;
  }
};

// A kind of reduction: its state, the state of one element, and how states join (in any order).

template <class T>
struct Sum {
  using State = double;
  static constexpr State kNeutral = 0;
  const T* x;
  struct Join {
    DEV State operator()(State a, State b) const { return a + b; }
  };
  DEV State operator()(int64_t i) const { return gpu::widen(x[i]); }
};

/// The minimum is the largest of the negative values.
template <class T>
struct Largest {
  using State = float;
  static constexpr State kNeutral = -kInfinity;
  const T* x;
  float sign;
  struct Join {
    DEV State operator()(State a, State b) const { return b > a || is_nan(b) ? b : a; }
  };
  DEV State operator()(int64_t i) const { return sign * gpu::widen(x[i]); }
};

/// A value and its place in x; no place: nothing yet.
struct Candidate {
  float value;
  int64_t place;
};
template <class T>
struct Smallest {
  using State = Candidate;
  static constexpr State kNeutral{kInfinity, -1};
  const T* x;
  struct Join {
    DEV State operator()(const State& a, const State& b) const {
      if (a.place < 0) return b;
      if (b.place < 0) return a;
      const bool equal = a.value == b.value || (is_nan(a.value) && is_nan(b.value));
      if (equal) return b.place < a.place ? b : a;
      return b.value < a.value || is_nan(b.value) ? b : a;
    }
  };
  DEV State operator()(int64_t i) const { return {gpu::widen(x[i]), i}; }
};

/// y[s] from the state of segment s.
template <class T>
struct WriteValue {
  T* y;
  float sign;
  template <class State>
  DEV void operator()(int64_t s, State state, const Segments& segments) const {
    const float value = sign * static_cast<float>(state) + 0.0f;  // -0 becomes 0
    const bool good = segments.valid(s) && !is_nan(value);
    y[s] = gpu::narrow<T>(good ? value : gpu::bits_to_float(0x7FC00000u));
  }
};
struct WritePlace {
  int64_t* y;
  DEV void operator()(int64_t s, const Candidate& state, const Segments& segments) const {
    y[s] = state.place < 0 ? -1 : state.place - segments.offsets[s];
  }
};

template <class State, class Write>
KERNEL(kThreads)
finish_kernel(Segments segments, int64_t count, const State* __restrict__ states, Write write) {
  const int64_t s = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (s < count) write(s, states[s], segments);
}

template <class Kind, class Write>
void reduce(Launch& launch, const Segments& segments, int64_t count, const Kind& kind,
            const Write& write) {
  using State = typename Kind::State;
  const thrust::counting_iterator<int64_t> numbers(0);
  State* states = launch.scratch<State>(count);
  gpu::run_cub(launch, [&](void* temporary, std::size_t& bytes) {
    return cub::DeviceSegmentedReduce::Reduce(
        temporary, bytes, thrust::make_transform_iterator(numbers, kind), states, count,
        thrust::make_transform_iterator(numbers, BeginOf{segments}),
        thrust::make_transform_iterator(numbers, EndOf{segments}), typename Kind::Join{},
        State(Kind::kNeutral), launch.stream());
  });
  gpu::check(gpu::launch(finish_kernel<State, Write>, gpu::blocks_for(count, kThreads), kThreads, 0,
                         launch.stream(), segments, count, states, write));
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  const int64_t count = y[0].numel();
  if (count == 0) return;
  const SegmentKind kind = static_cast<const SegmentReduceAttrs*>(attrs)->kind;
  const Segments segments{x[1].data<int64_t>(), x[0].numel()};
  gpu::dispatch_element(x[0].dtype(), [&]<class T>() {
    const T* from = gpu::elements_of<T>(x[0]);
    T* to = gpu::elements_of<T>(y[0]);
    if (kind == SegmentKind::sum) {
      reduce(launch, segments, count, Sum<T>{from}, WriteValue<T>{to, 1.0f});
    } else if (kind == SegmentKind::argmin) {
      reduce(launch, segments, count, Smallest<T>{from},
             WritePlace{gpu::elements_of<int64_t>(y[0])});
    } else {
      const float sign = kind == SegmentKind::max ? 1.0f : -1.0f;
      reduce(launch, segments, count, Largest<T>{from, sign}, WriteValue<T>{to, sign});
    }
  });
}

}  // namespace

GpuKernels segment_reduce_kernels() { return {.forward = forward}; }

}  // namespace ito::ITO_GPU_NS
