#include "tools/golden/case_run.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/autograd/autograd.h"
#include "kernels/cast/op.h"
#include "kernels/permute/op.h"

namespace ito::golden {
namespace {

constexpr double kFp64Limit = 1e-9;
constexpr double kBf16Limit = 5e-2;
constexpr double kBf16GradientLimit = 2e-1;  // single arrays of gradients lose more to cancellation

bool is_result(const std::string& name) {
  if (name.ends_with(".f64")) return false;
  for (const char* prefix : {"output.", "grad.", "grad_input.", "after.", "ema."}) {
    if (name.starts_with(prefix)) return true;
  }
  return name == "loss";
}

}  // namespace

std::vector<double> values(const Tensor& tensor) {
  const Tensor host = tensor.detach().to(kCpu);
  return dispatch_any(host.dtype(), [&]<class T>() {
    std::vector<double> list;
    list.reserve(static_cast<size_t>(host.numel()));
    for (const T& v : host.span<T>()) list.push_back(static_cast<double>(v));
    return list;
  });
}

double norm(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}

Tensor CaseRun::input(const std::string& name) const {
  const NoGradScope off;
  const Tensor& stored = golden_.at(name);
  if (is_floating(stored.dtype())) return ops::cast(stored, mode_.data()).to(mode_.device);
  const Tensor reals = Tensor::from(values(stored), stored.shape());
  return ops::cast(reals, mode_.data()).to(mode_.device);
}

Tensor CaseRun::image(const std::string& name) const {
  const NoGradScope off;
  return ops::permute(input(name), {0, 2, 3, 1});
}

void CaseRun::expect(const std::string& name, const Tensor& ours, double limit) {
  const Shape& shape = golden_.at(name).shape();
  if (ours.shape() != shape) {
    fail(ErrorCode::file_mismatch, golden_.file.string(),
         name + " has shape " + to_string(shape) + ", the result " + to_string(ours.shape()),
         "check the configuration in the case's description");
  }
  expect(name, values(ours), limit);
}

void CaseRun::expect(const std::string& name, const std::vector<double>& ours, double limit) {
  if (mode_.precision == Precision::fp64) return expect_exact(name, ours, limit);
  if (mode_.precision == Precision::bf16) {
    limit = std::max(limit, name.starts_with("grad") ? kBf16GradientLimit : kBf16Limit);
  }
  compare(name, name, ours, limit);
}

void CaseRun::expect_image(const std::string& name, const Tensor& ours, double limit) {
  const NoGradScope off;
  expect(name, ops::permute(ours.detach(), {0, 3, 1, 2}), limit);
}

void CaseRun::expect_exact(const std::string& name, const std::vector<double>& ours, double limit) {
  const std::string twin = golden_.has(name + ".f64") ? name + ".f64" : name;
  const bool exact = golden_.at(twin).dtype() == DType::f64;
  compare(name, twin, ours, exact && mode_.precision == Precision::fp64 ? kFp64Limit : limit);
}

void CaseRun::compare(const std::string& name, const std::string& with,
                      const std::vector<double>& ours, double limit) {
  const std::vector<double> theirs = values(golden_.at(with));
  if (ours.size() != theirs.size()) {
    fail(ErrorCode::file_mismatch, golden_.file.string(),
         with + " has " + std::to_string(theirs.size()) + " elements, the result " +
             std::to_string(ours.size()),
         "check the configuration in the case's description");
  }
  std::vector<double> difference(ours.size());
  std::ranges::transform(ours, theirs, difference.begin(), std::minus());
  const double size = norm(theirs);
  record(name, norm(difference) / (size > 0 ? size : 1), limit, golden_.relative_error(name));
}

void CaseRun::record(const std::string& name, double error, double limit, double reference) {
  seen_.insert(name);
  if (std::isnan(error)) error = std::numeric_limits<double>::infinity();
  errors_.push_back({name, error, limit, reference});
}

void CaseRun::adopt(const CaseRun& sub) {
  for (const ArrayError& e : sub.errors()) {
    record(sub.golden().name + "/" + e.name, e.error, e.limit, e.reference);
  }
}

void CaseRun::check_complete(const std::string& prefix) const {
  for (const auto& [name, tensor] : golden_.arrays.tensors) {
    if (is_result(name) && !seen_.contains(name)) throw Unknown("array:" + prefix + name);
  }
}

}  // namespace ito::golden
