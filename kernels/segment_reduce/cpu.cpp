// Segments are cut into pieces of 16384 elements, so that many short ones and one long one keep all
// threads busy; the pieces of a segment are joined in ascending order.
#include "kernels/segment_reduce/cpu.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/core/parallel.h"

namespace ito {
namespace {

using ops::SegmentKind;

constexpr int64_t kPiece = 1 << 14;
constexpr int kLanes = 16;  // independent partial results: vectorises, and adds depth

// A kind of reduction: its state, how states join, and what becomes of a piece of the elements.

struct Sum {
  using State = double;
  static State neutral() { return 0; }
  static State join(State a, State b) { return a + b; }
  template <class T>
  static State piece(const T* x, int64_t n, int64_t) {
    State lanes[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      for (int j = 0; j < kLanes; ++j) lanes[j] += static_cast<State>(x[i + j]);
    }
    for (int j = 0; i < n; ++i, ++j) lanes[j] += static_cast<State>(x[i]);
    for (int width = kLanes / 2; width > 0; width /= 2) {
      for (int j = 0; j < width; ++j) lanes[j] += lanes[j + width];
    }
    return lanes[0];
  }
};

/// kSign -1 is the minimum.
template <class A, int kSign>
struct Largest {
  using State = A;
  static State neutral() { return -kSign * std::numeric_limits<A>::infinity(); }
  static State join(State a, State b) { return kSign * b > kSign * a || b != b ? b : a; }
  template <class T>
  static State piece(const T* x, int64_t n, int64_t) {
    State lanes[kLanes];
    std::fill_n(lanes, kLanes, neutral());
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      for (int j = 0; j < kLanes; ++j) lanes[j] = join(lanes[j], static_cast<A>(x[i + j]));
    }
    for (int j = 0; i < n; ++i, ++j) lanes[j] = join(lanes[j], static_cast<A>(x[i]));
    for (int width = kLanes / 2; width > 0; width /= 2) {
      for (int j = 0; j < width; ++j) lanes[j] = join(lanes[j], lanes[j + width]);
    }
    return lanes[0] + A(0);  // -0 becomes 0
  }
};

template <class A>
struct Smallest {
  struct State {
    A value;
    int64_t place;
  };
  static State neutral() { return {std::numeric_limits<A>::infinity(), -1}; }
  /// `b` comes from higher places than `a`.
  static State join(State a, State b) {
    if (a.place < 0) return b;
    const bool smaller = b.value < a.value || (std::isnan(b.value) && !std::isnan(a.value));
    return b.place >= 0 && smaller ? b : a;
  }
  template <class T>
  static State piece(const T* x, int64_t n, int64_t first) {
    State state = neutral();
    for (int64_t i = 0; i < n; ++i) state = join(state, {static_cast<A>(x[i]), first + i});
    return state;
  }
};

/// Number of the first piece of each segment; a segment without elements has one piece as well.
std::vector<int64_t> pieces_of(const int64_t* offsets, int64_t segments) {
  std::vector<int64_t> first(static_cast<size_t>(segments + 1), 0);
  for (int64_t s = 0; s < segments; ++s) {
    const int64_t pieces = (offsets[s + 1] - offsets[s] + kPiece - 1) / kPiece;
    first[static_cast<size_t>(s + 1)] =
        first[static_cast<size_t>(s)] + std::max<int64_t>(pieces, 1);
  }
  return first;
}

template <class Kind, class T, class Finish>
void run(Launch& launch, const T* x, const int64_t* offsets, int64_t segments,
         const Finish& finish) {
  using State = typename Kind::State;
  const std::vector<int64_t> first = pieces_of(offsets, segments);
  const int64_t pieces = first.back();
  const int64_t elements = offsets[segments] - offsets[0];
  const int64_t grain = std::max<int64_t>(kPiece * pieces / (elements + pieces), 1);
  State* states = launch.scratch<State>(pieces);
  parallel_ranges(pieces, grain, [&](int64_t begin, int64_t end) {
    int64_t s = std::upper_bound(first.begin(), first.end(), begin) - first.begin() - 1;
    for (int64_t p = begin; p < end; ++p) {
      while (first[static_cast<size_t>(s + 1)] <= p) ++s;
      const int64_t from = (p - first[static_cast<size_t>(s)]) * kPiece;
      const int64_t length = offsets[s + 1] - offsets[s];
      states[p] = Kind::piece(x + offsets[s] + from, std::min(kPiece, length - from), from);
    }
  });
  parallel_ranges(segments, kPiece, [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; ++s) {
      State state = states[first[static_cast<size_t>(s)]];
      for (int64_t p = first[static_cast<size_t>(s)] + 1; p < first[static_cast<size_t>(s + 1)];
           ++p) {
        state = Kind::join(state, states[p]);
      }
      finish(s, state);
    }
  });
}

}  // namespace

template <class T>
void segment_reduce_cpu(Launch& launch, SegmentKind kind, const T* x, const int64_t* offsets,
                        int64_t segments, void* y) {
  using A = Acc<T>;
  const auto value = [y](int64_t s, auto state) {
    constexpr auto kNan = std::numeric_limits<decltype(state)>::quiet_NaN();
    static_cast<T*>(y)[s] = static_cast<T>(std::isnan(state) ? kNan : state);
  };
  switch (kind) {
    case SegmentKind::sum:
      return run<Sum>(launch, x, offsets, segments, value);
    case SegmentKind::max:
      return run<Largest<A, 1>>(launch, x, offsets, segments, value);
    case SegmentKind::min:
      return run<Largest<A, -1>>(launch, x, offsets, segments, value);
    case SegmentKind::argmin:
      return run<Smallest<A>>(launch, x, offsets, segments, [y](int64_t s, const auto& state) {
        static_cast<int64_t*>(y)[s] = state.place;
      });
  }
}

template void segment_reduce_cpu(Launch&, SegmentKind, const float*, const int64_t*, int64_t,
                                 void*);
template void segment_reduce_cpu(Launch&, SegmentKind, const BFloat16*, const int64_t*, int64_t,
                                 void*);
template void segment_reduce_cpu(Launch&, SegmentKind, const double*, const int64_t*, int64_t,
                                 void*);

}  // namespace ito
