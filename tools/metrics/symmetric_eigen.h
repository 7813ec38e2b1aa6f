// Eigenvalues of real symmetric matrices in fp64.
#pragma once

#include <cstdint>
#include <vector>

namespace ito::metrics {

struct SymmetricEigen {
  std::vector<double> values;   ///< [n], ascending
  std::vector<double> vectors;  ///< [n, n], row i belongs to values[i]; empty if not asked for
};

enum class Eigenvectors : uint8_t { no, yes };

/// A = V^T diag(values) V of a symmetric matrix [n, n], row-major. Householder's reduction to
/// tridiagonal form, then implicit QR steps with Wilkinson's shift (Golub & Van Loan, Matrix
/// Computations, algorithms 8.3.1 to 8.3.3). Errors are a small multiple of 2^-53 |A|. Independent
/// of the number of threads. Throws ShapeError for a wrong length, ValueError for entries that are
/// not finite.
SymmetricEigen symmetric_eigen(std::vector<double> matrix, int64_t n, Eigenvectors vectors);

}  // namespace ito::metrics
