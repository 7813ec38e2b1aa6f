#include "tools/golden/flow.h"

#include <algorithm>
#include <cmath>

#include "kernels/cast/op.h"

namespace ito::golden {
namespace {

constexpr double kBf16Limit = 5e-2;

}  // namespace

samplers::OdeOptions solver_of(const CaseRun& run) {
  const Case& c = run.golden();
  return {.control = samplers::StepControl::whole_batch,
          .rtol = c.number("info.rtol", 1e-5),
          .atol = c.number("info.atol", 1e-5)};
}

sde::ScoreFn score_in_precision(const CaseRun& run, std::shared_ptr<const sde::Sde> sde) {
  return [score = score_of(run, std::move(sde)), dtype = run.mode().data()](
             const Tensor& x, std::span<const double> t) {
    return ops::cast(score(ops::cast(x, dtype), t), x.dtype());
  };
}

Closeness state_closeness(const CaseRun& run, double gaussian, double network) {
  if (run.golden().text("info.model", "") == "gaussian") return {.limit = gaussian};
  return {.measure = Closeness::Measure::relative, .limit = network};
}

void expect_close(CaseRun& run, const std::string& name, const Tensor& ours, const Closeness& c) {
  const std::vector<double> a = values(ours), b = values(run.golden().at(name));
  if (a.size() != b.size()) {
    fail(ErrorCode::file_mismatch, run.golden().file.string(),
         name + " has " + std::to_string(b.size()) + " elements, the result " +
             std::to_string(a.size()),
         "check the configuration in the case's description");
  }
  std::vector<double> difference;
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference.push_back(a[i] - b[i]);
    largest = std::isfinite(a[i]) ? std::max(largest, std::abs(difference[i])) : INFINITY;
  }
  const bool relative = c.measure == Closeness::Measure::relative;
  const double limit =
      run.mode().precision == Precision::bf16 ? std::max(c.limit, kBf16Limit) : c.limit;
  run.record(name, relative ? norm(difference) / norm(b) : largest / c.unit, limit);
}

}  // namespace ito::golden
