// CPU kernels of max_pool and max_pool_dx, vectorised over channels. The maximum is taken over
// rows, then over columns. With keys, and in the adjoint, a window is walked in row-major order
// with the largest key so far and what belongs to it: the adjoint first notes in which place of
// every window the largest key lies; then every pixel adds up, in the order of the windows, what
// those windows pass back that chose it.
#include "kernels/max_pool/cpu.h"

#include <algorithm>
#include <vector>

#include "engine/core/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/max_pool/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

/// Calls body(channel, lanes) for vectors of channels; the last may have fewer lanes.
template <class D, class Body>
HWY_INLINE void for_channels(D d, int64_t channels, const Body& body) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t c = 0; c < channels; c += lanes) {
    body(c, static_cast<size_t>(std::min(lanes, channels - c)));
  }
}

template <class D, class T>
HWY_INLINE hn::Vec<D> load_up_to(D d, const T* p, size_t n) {
  return n == hn::Lanes(d) ? load(d, p) : load_n(d, p, n);
}
template <class D, class V, class T>
HWY_INLINE void store_up_to(D d, V v, T* p, size_t n) {
  if (n == hn::Lanes(d)) return store(d, v, p);
  store_n(d, v, p, n);
}

/// Walks window (r, s) of one image: follow(at, place, take) at every pixel, where `take` says in
/// which lanes its key is the largest so far.
template <class D, class T, class Follow>
HWY_INLINE void walk_window(D d, const PoolGeometry& g, int r, int s, const T* keys, size_t n,
                            const Follow& follow) {
  const IndexRange rows = g.rows.pixels(r), columns = g.columns.pixels(s);
  auto best = hn::Zero(d);
  bool first = true;
  for (int i = rows.begin; i < rows.end; ++i) {
    for (int j = columns.begin; j < columns.end; ++j) {
      const int64_t at = (int64_t{i} * g.columns.in + j) * g.c;
      const auto key = load_up_to(d, keys + at, n);
      const auto above = hn::Or(hn::Gt(key, best), hn::IsNaN(key));
      const auto take = first ? hn::Eq(hn::Zero(d), hn::Zero(d)) : above;
      best = hn::IfThenElse(take, key, best);
      const int place = (i - g.rows.start(r)) * g.rows.kernel + (j - g.columns.start(s));
      follow(at, place, take);
      first = false;
    }
  }
}

/// Rows of windows for one task.
inline int64_t rows_per_task(const PoolGeometry& g) {
  const int64_t taps = int64_t{g.rows.kernel} * g.rows.kernel;
  return std::max<int64_t>((1 << 15) / (g.columns.out * g.c * taps), 1);
}

template <class V>
HWY_INLINE V larger(V best, V key) {
  return hn::IfThenElse(hn::Or(hn::Gt(key, best), hn::IsNaN(key)), key, best);
}

/// lines[j, c] = the maximum of x[i, j, c] over the rows i of window row r of one image.
template <class T>
HWY_INLINE void max_of_rows(const PoolGeometry& g, int r, const T* x, Acc<T>* lines) {
  const Tag<T> d;
  const IndexRange rows = g.rows.pixels(r);
  const int64_t line = g.columns.in * g.c;
  for_channels(d, line, [&](int64_t at, size_t n) {
    auto best = load_up_to(d, x + rows.begin * line + at, n);
    for (int i = rows.begin + 1; i < rows.end; ++i) {
      best = larger(best, load_up_to(d, x + i * line + at, n));
    }
    store_up_to(d, best, lines + at, n);
  });
}

/// Without keys a maximum over rows, then one over columns, will do.
template <class T>
void pool_maxima(const PoolGeometry& g, const T* x, T* y) {
  const Tag<T> d;
  const int64_t line = g.columns.in * g.c;
  parallel_ranges(g.n * g.rows.out, rows_per_task(g), [&](int64_t begin, int64_t end) {
    std::vector<Acc<T>> lines(static_cast<size_t>(line));
    for (int64_t row = begin; row < end; ++row) {
      max_of_rows(g, static_cast<int>(row % g.rows.out), x + row / g.rows.out * g.rows.in * line,
                  lines.data());
      for (int s = 0; s < g.columns.out; ++s) {
        const IndexRange columns = g.columns.pixels(s);
        for_channels(d, g.c, [&](int64_t c, size_t n) {
          auto best = load_up_to(d, lines.data() + columns.begin * g.c + c, n);
          for (int j = columns.begin + 1; j < columns.end; ++j) {
            best = larger(best, load_up_to(d, lines.data() + j * g.c + c, n));
          }
          store_up_to(d, best, y + (row * g.columns.out + s) * g.c + c, n);
        });
      }
    }
  });
}

/// Calls f(in, r, s, out, n) for n channels of window (r, s): `in` is where they lie in the first
/// pixel of its image, `out` where its result belongs.
template <class T, class F>
void for_windows(const PoolGeometry& g, F&& f) {
  const Tag<T> d;
  const int64_t image = int64_t{g.rows.in} * g.columns.in * g.c;
  parallel_ranges(g.n * g.rows.out, rows_per_task(g), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t base = row / g.rows.out * image;
      const int r = static_cast<int>(row % g.rows.out);
      for (int s = 0; s < g.columns.out; ++s) {
        for_channels(d, g.c, [&](int64_t c, size_t n) {
          f(base + c, r, s, (row * g.columns.out + s) * g.c + c, n);
        });
      }
    }
  });
}

template <class T>
void pool(const PoolGeometry& g, const T* x, const T* keys, T* y) {
  if (keys == x) return pool_maxima(g, x, y);
  const Tag<T> d;
  for_windows<T>(g, [&](int64_t in, int r, int s, int64_t out, size_t n) {
    auto value = hn::Zero(d);
    walk_window(d, g, r, s, keys + in, n, [&](int64_t at, int, auto take) {
      value = hn::IfThenElse(take, load_up_to(d, x + in + at, n), value);
    });
    store_up_to(d, value, y + out, n);
  });
}

/// places[n, r, s, c]: where in its window the largest key lies, row-major.
template <class T>
void find_places(const PoolGeometry& g, const T* keys, Acc<T>* places) {
  const Tag<T> d;
  for_windows<T>(g, [&](int64_t in, int r, int s, int64_t out, size_t n) {
    auto chosen = hn::Zero(d);
    walk_window(d, g, r, s, keys + in, n, [&](int64_t, int place, auto take) {
      chosen = hn::IfThenElse(take, hn::Set(d, static_cast<Acc<T>>(place)), chosen);
    });
    store_up_to(d, chosen, places + out, n);
  });
}

/// Sum over the windows that hold pixel (i, j) and chose it.
template <class D, class T, class A>
HWY_INLINE hn::Vec<D> collect(D d, const PoolGeometry& g, int i, int j, const T* gy,
                              const A* places, size_t n) {
  const IndexRange rows = g.rows.windows(i), columns = g.columns.windows(j);
  auto sum = hn::Zero(d);
  for (int r = rows.begin; r < rows.end; ++r) {
    for (int s = columns.begin; s < columns.end; ++s) {
      const int64_t at = (int64_t{r} * g.columns.out + s) * g.c;
      const int place = (i - g.rows.start(r)) * g.rows.kernel + (j - g.columns.start(s));
      const auto here = hn::Eq(load_up_to(d, places + at, n), hn::Set(d, static_cast<A>(place)));
      sum = hn::Add(sum, hn::IfThenElseZero(here, load_up_to(d, gy + at, n)));
    }
  }
  return sum;
}

template <class T>
void pool_dx(Launch& launch, const PoolGeometry& g, const T* gy, const T* keys, T* gx) {
  auto* places = launch.scratch<Acc<T>>(g.windows().numel());
  find_places(g, keys, places);
  const Tag<T> d;
  const int64_t image = int64_t{g.rows.out} * g.columns.out * g.c;
  parallel_ranges(g.n * g.rows.in, rows_per_task(g), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t base = row / g.rows.in * image;
      const int i = static_cast<int>(row % g.rows.in);
      for (int j = 0; j < g.columns.in; ++j) {
        for_channels(d, g.c, [&](int64_t c, size_t n) {
          store_up_to(d, collect(d, g, i, j, gy + base + c, places + base + c, n),
                      gx + (row * g.columns.in + j) * g.c + c, n);
        });
      }
    }
  });
}

void pool_f32(const PoolGeometry& g, const float* x, const float* keys, float* y) {
  pool(g, x, keys, y);
}
void pool_bf16(const PoolGeometry& g, const BFloat16* x, const BFloat16* keys, BFloat16* y) {
  pool(g, x, keys, y);
}
void pool_f64(const PoolGeometry& g, const double* x, const double* keys, double* y) {
  pool(g, x, keys, y);
}
void pool_dx_f32(Launch& l, const PoolGeometry& g, const float* gy, const float* keys, float* gx) {
  pool_dx(l, g, gy, keys, gx);
}
void pool_dx_bf16(Launch& l, const PoolGeometry& g, const BFloat16* gy, const BFloat16* keys,
                  BFloat16* gx) {
  pool_dx(l, g, gy, keys, gx);
}
void pool_dx_f64(Launch& l, const PoolGeometry& g, const double* gy, const double* keys,
                 double* gx) {
  pool_dx(l, g, gy, keys, gx);
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ito {

HWY_EXPORT(pool_f32);
HWY_EXPORT(pool_bf16);
HWY_EXPORT(pool_f64);
HWY_EXPORT(pool_dx_f32);
HWY_EXPORT(pool_dx_bf16);
HWY_EXPORT(pool_dx_f64);

void max_pool_cpu(const PoolGeometry& g, const float* x, const float* keys, float* y) {
  HWY_DYNAMIC_DISPATCH(pool_f32)(g, x, keys, y);
}
void max_pool_cpu(const PoolGeometry& g, const BFloat16* x, const BFloat16* keys, BFloat16* y) {
  HWY_DYNAMIC_DISPATCH(pool_bf16)(g, x, keys, y);
}
void max_pool_cpu(const PoolGeometry& g, const double* x, const double* keys, double* y) {
  HWY_DYNAMIC_DISPATCH(pool_f64)(g, x, keys, y);
}
void max_pool_dx_cpu(Launch& l, const PoolGeometry& g, const float* gy, const float* keys,
                     float* gx) {
  HWY_DYNAMIC_DISPATCH(pool_dx_f32)(l, g, gy, keys, gx);
}
void max_pool_dx_cpu(Launch& l, const PoolGeometry& g, const BFloat16* gy, const BFloat16* keys,
                     BFloat16* gx) {
  HWY_DYNAMIC_DISPATCH(pool_dx_bf16)(l, g, gy, keys, gx);
}
void max_pool_dx_cpu(Launch& l, const PoolGeometry& g, const double* gy, const double* keys,
                     double* gx) {
  HWY_DYNAMIC_DISPATCH(pool_dx_f64)(l, g, gy, keys, gx);
}

}  // namespace ito
#endif
