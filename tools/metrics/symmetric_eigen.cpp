#include "tools/metrics/symmetric_eigen.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/core/check.h"
#include "engine/core/parallel.h"

namespace ito::metrics {
namespace {

constexpr int64_t kRows = 64;     // per chunk of parallel work
constexpr int64_t kColumns = 64;  // likewise

/// A matrix on the way to A = Q T Q^T with T tridiagonal. The k-th reflector
/// H_k = I - beta_k v_k v_k^T, with v_k in rows k + 1 and below, lies in row k of `a`, right of the
/// diagonal, as soon as that row is done.
struct Tridiagonal {
  int64_t n = 0;
  std::vector<double> a;
  std::vector<double> diagonal, below, beta;

  double* row(int64_t i) { return a.data() + i * n; }
};

/// Eight sums, so that the loop vectorises in a fixed order.
double dot(const double* a, const double* b, int64_t count) {
  double sums[8] = {};
  int64_t j = 0;
  for (; j + 8 <= count; j += 8) {
    for (int64_t l = 0; l < 8; ++l) sums[l] += a[j + l] * b[j + l];
  }
  double rest = 0;
  for (; j < count; ++j) rest += a[j] * b[j];
  return std::accumulate(sums, sums + 8, rest);
}

/// Makes v of the part x of column k below the diagonal, so that (I - beta v v^T) x = alpha e_1.
void make_reflector(Tridiagonal& t, int64_t k) {
  double* v = t.row(k);
  double squares = 0;
  for (int64_t j = k + 1; j < t.n; ++j) squares += v[j] * v[j];  // row k is column k
  const double alpha = -std::copysign(std::sqrt(squares), v[k + 1]);
  t.diagonal.push_back(v[k]);
  t.below.push_back(alpha);
  v[k + 1] -= alpha;
  // v.v = 2 alpha (alpha - x_1)
  const double half = -alpha * v[k + 1];
  t.beta.push_back(half > 0 ? 1 / half : 0);
}

/// A <- H A H on rows and columns k + 1 and above: A - v w^T - w v^T, with p = beta A v and
/// w = p - beta (p.v) v / 2.
void apply_both_sides(Tridiagonal& t, int64_t k) {
  const double beta = t.beta[static_cast<size_t>(k)];
  if (beta == 0) return;
  const double* v = t.row(k);
  std::vector<double> w(static_cast<size_t>(t.n));
  const int64_t first = k + 1, count = t.n - first;
  parallel_ranges(count, kRows, [&](int64_t begin, int64_t end) {
    for (int64_t i = first + begin; i < first + end; ++i) {
      w[static_cast<size_t>(i)] = beta * dot(t.row(i) + first, v + first, count);
    }
  });
  double overlap = 0;
  for (int64_t i = first; i < t.n; ++i) overlap += w[static_cast<size_t>(i)] * v[i];
  for (int64_t i = first; i < t.n; ++i) w[static_cast<size_t>(i)] -= 0.5 * beta * overlap * v[i];
  parallel_ranges(count, kRows, [&](int64_t begin, int64_t end) {
    for (int64_t i = first + begin; i < first + end; ++i) {
      double* a = t.row(i);
      const double vi = v[i], wi = w[static_cast<size_t>(i)];
      for (int64_t j = first; j < t.n; ++j) a[j] -= vi * w[static_cast<size_t>(j)] + wi * v[j];
    }
  });
}

Tridiagonal reduce(std::vector<double> matrix, int64_t n) {
  Tridiagonal t{.n = n, .a = std::move(matrix)};
  for (int64_t k = 0; k + 2 < n; ++k) {
    make_reflector(t, k);
    apply_both_sides(t, k);
  }
  for (int64_t k = std::max<int64_t>(0, n - 2); k < n; ++k) t.diagonal.push_back(t.row(k)[k]);
  if (n >= 2) t.below.push_back(t.row(n - 1)[n - 2]);
  return t;
}

/// Q = H_0 H_1 ... H_{n-3}, transposed: its rows are what the steps below turn into eigenvectors.
std::vector<double> transposed_product(Tridiagonal& t) {
  const int64_t n = t.n;
  std::vector<double> q(static_cast<size_t>(n * n), 0.0);
  for (int64_t i = 0; i < n; ++i) q[static_cast<size_t>(i * n + i)] = 1;
  for (int64_t k = n - 3; k >= 0; --k) {
    const double beta = t.beta[static_cast<size_t>(k)];
    const double* v = t.row(k);
    // Rows of q^T: each is a column of Q, to which H_k is applied by itself.
    parallel_ranges(n - k - 1, kRows, [&](int64_t begin, int64_t end) {
      for (int64_t i = k + 1 + begin; i < k + 1 + end; ++i) {
        double* row = q.data() + i * n;
        const double along = beta * dot(v + k + 1, row + k + 1, n - k - 1);
        for (int64_t j = k + 1; j < n; ++j) row[j] -= along * v[j];
      }
    });
  }
  return q;
}

struct Rotation {
  int64_t row;  ///< turns this row and the next
  double c, s;
};

/// One implicit QR step on the unreduced block [low, high] of a tridiagonal matrix: the rotations
/// that it applies, in order.
std::vector<Rotation> qr_step(std::vector<double>& d, std::vector<double>& e, size_t low,
                              size_t high) {
  // Wilkinson's shift: the eigenvalue of the last 2 x 2 block that is nearer to its last entry.
  const double half = 0.5 * (d[high - 1] - d[high]), last = e[high - 1];
  const double shift =
      d[high] - last * (last / (half + std::copysign(std::hypot(half, last), half)));
  double x = d[low] - shift, z = e[low];
  std::vector<Rotation> rotations;
  for (size_t k = low; k < high; ++k) {
    const double r = std::hypot(x, z);
    const double c = r > 0 ? x / r : 1, s = r > 0 ? z / r : 0;
    if (k > low) e[k - 1] = r;
    const double upper = d[k], lower = d[k + 1], off = e[k];
    d[k] = c * c * upper + 2 * c * s * off + s * s * lower;
    d[k + 1] = s * s * upper - 2 * c * s * off + c * c * lower;
    e[k] = c * s * (lower - upper) + (c * c - s * s) * off;
    if (k + 1 < high) {
      x = e[k];
      z = s * e[k + 1];  // the bulge, which the next rotation chases
      e[k + 1] *= c;
    }
    rotations.push_back({static_cast<int64_t>(k), c, s});
  }
  return rotations;
}

void rotate_rows(std::vector<double>& q, int64_t n, const std::vector<Rotation>& rotations) {
  parallel_ranges(n, kColumns, [&](int64_t begin, int64_t end) {
    for (const Rotation& rotation : rotations) {
      double* upper = q.data() + rotation.row * n;
      double* lower = upper + n;
      for (int64_t j = begin; j < end; ++j) {
        const double u = upper[j], l = lower[j];
        upper[j] = rotation.c * u + rotation.s * l;
        lower[j] = rotation.c * l - rotation.s * u;
      }
    }
  });
}

/// Diagonalises; turns the rows of q (or none) along.
void diagonalize(std::vector<double>& d, std::vector<double>& e, std::vector<double>& q) {
  const auto n = static_cast<int64_t>(d.size());
  constexpr double kEps = std::numeric_limits<double>::epsilon();
  constexpr int kStepsPerValue = 60;  // two or three are usual
  double largest = 0;
  for (size_t i = 0; i < d.size(); ++i) {
    largest = std::max({largest, std::abs(d[i]), i < e.size() ? std::abs(e[i]) : 0.0});
  }
  int64_t steps = 0;
  for (size_t high = d.size(); high-- > 1;) {
    while (true) {
      size_t low = high;
      // An entry that is rounding beside its neighbours, or beside the matrix squared, is zero.
      while (low > 0 && std::abs(e[low - 1]) > kEps * (std::abs(d[low - 1]) + std::abs(d[low])) &&
             std::abs(e[low - 1]) > kEps * kEps * largest) {
        --low;
      }
      if (low > 0) e[low - 1] = 0;
      if (low == high) break;
      ITO_CHECK(++steps <= kStepsPerValue * n, InternalError, "QR steps must converge", kv("n", n));
      const std::vector<Rotation> rotations = qr_step(d, e, low, high);
      if (!q.empty()) rotate_rows(q, n, rotations);
    }
  }
}

}  // namespace

SymmetricEigen symmetric_eigen(std::vector<double> matrix, int64_t n, Eigenvectors vectors) {
  ITO_CHECK(n >= 0 && static_cast<int64_t>(matrix.size()) == n * n, ShapeError,
            "needs a square matrix", kv("n", n), kv("entries", matrix.size()));
  ITO_CHECK(std::ranges::all_of(matrix, [](double x) { return std::isfinite(x); }), ValueError,
            "eigenvalues need finite entries");
  Tridiagonal t = reduce(std::move(matrix), n);
  std::vector<double> q;
  if (vectors == Eigenvectors::yes) q = transposed_product(t);
  diagonalize(t.diagonal, t.below, q);
  std::vector<size_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) { return t.diagonal[i]; });
  SymmetricEigen result;
  for (const size_t i : order) {
    result.values.push_back(t.diagonal[i]);
    if (q.empty()) continue;
    const auto row = q.begin() + static_cast<std::ptrdiff_t>(i) * n;
    result.vectors.insert(result.vectors.end(), row, row + n);
  }
  return result;
}

}  // namespace ito::metrics
