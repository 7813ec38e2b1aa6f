#include "tools/metrics/inception_score.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tools/metrics/features.h"

namespace ito::metrics {

double inception_score(const Tensor& logits) {
  ITO_CHECK(logits.rank() == 2 && logits.size(0) >= 1 && logits.size(1) >= 1, ShapeError,
            "needs logits [N, K]", kv("logits", logits.shape()));
  const auto classes = static_cast<size_t>(logits.size(1));
  std::vector<double> marginal(classes, 0.0);
  double negative_entropy = 0;  // sum over x and y of p(y|x) ln p(y|x)
  for_row_blocks(logits, 1024, [&](const Tensor& rows, int64_t) {
    const auto all = rows.span<double>();
    for (size_t first = 0; first < all.size(); first += classes) {
      const auto row = all.subspan(first, classes);
      const double top = *std::ranges::max_element(row);
      double sum = 0;
      for (const double l : row) sum += std::exp(l - top);
      const double normalizer = top + std::log(sum);
      for (size_t k = 0; k < classes; ++k) {
        const double log_p = row[k] - normalizer, p = std::exp(log_p);
        marginal[k] += p;
        if (p > 0) negative_entropy += p * log_p;
      }
    }
  });
  const auto n = static_cast<double>(logits.size(0));
  double information = negative_entropy / n;
  for (const double sum : marginal) {
    if (sum > 0) information -= sum / n * std::log(sum / n);
  }
  return std::exp(information);
}

}  // namespace ito::metrics
