#include "tools/metrics/reference_file.h"

#include <algorithm>
#include <cmath>

#include "kernels/cast/op.h"
#include "tools/data/npz.h"

namespace ito::metrics {
namespace {

[[noreturn]] void mismatch(const std::filesystem::path& file, const std::string& fact) {
  fail(ErrorCode::file_mismatch, file.string(), fact,
       "give pool_3 [N, d] (and logits), or mu [d] and sigma [d, d]; ito eval --stats-out writes "
       "them");
}

/// An array of floats that are all finite, in its own type.
Tensor read_floats(const data::NpzFile& archive, const std::string& name) {
  const Tensor array = archive.read(name);
  if (!is_floating(array.dtype())) {
    mismatch(archive.path(), name + " is " + to_string(array.dtype()));
  }
  const Tensor wide = ops::cast(array, DType::f64);
  if (!std::ranges::all_of(wide.span<double>(), [](double v) { return std::isfinite(v); })) {
    fail(ErrorCode::file_corrupt, archive.path().string(), name + " has values that are not finite",
         "make the file again");
  }
  return array;
}

/// Features as [N, d]; pool_3 may come as [N, 1, 1, d].
Tensor read_rows(const data::NpzFile& archive, const std::string& name) {
  const Tensor array = read_floats(archive, name);
  if (array.rank() < 2 || array.size(0) < 2 || array.numel() / array.size(0) < 1) {
    mismatch(archive.path(), name + " has shape " + to_string(array.shape()));
  }
  return array.alias({array.size(0), array.numel() / array.size(0)});
}

}  // namespace

Reference read_reference(const std::filesystem::path& file) {
  const data::NpzFile archive(file);
  Reference reference;
  if (archive.contains("pool_3")) {
    reference.pool = read_rows(archive, "pool_3");
    if (archive.contains("logits")) reference.logits = read_rows(archive, "logits");
    reference.statistics = statistics_of(reference.pool);
    return reference;
  }
  if (!archive.contains("mu") || !archive.contains("sigma")) {
    mismatch(file, "has neither pool_3 nor mu and sigma");
  }
  const Tensor mu = read_floats(archive, "mu"), sigma = read_floats(archive, "sigma");
  const int64_t d = mu.numel();
  if (mu.rank() != 1 || d < 1 || sigma.shape() != Shape{d, d}) {
    mismatch(file, "has mu " + to_string(mu.shape()) + " and sigma " + to_string(sigma.shape()));
  }
  reference.statistics.mean = ops::cast(mu, DType::f64).to_vector<double>();
  reference.statistics.covariance = ops::cast(sigma, DType::f64).to_vector<double>();
  return reference;
}

void write_reference(const std::filesystem::path& file, const Reference& reference,
                     ReferenceLayout layout) {
  if (layout == ReferenceLayout::score_sde) {
    data::write_npz(file, {{"pool_3", reference.pool}, {"logits", reference.logits}});
    return;
  }
  const FeatureStatistics& s = reference.statistics;
  data::write_npz(file, {{"mu", Tensor::from(s.mean, {s.dim()})},
                         {"sigma", Tensor::from(s.covariance, {s.dim(), s.dim()})}});
}

}  // namespace ito::metrics
