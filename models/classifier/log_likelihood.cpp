#include "models/classifier/log_likelihood.h"

#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/reduce/op.h"
#include "kernels/unary/op.h"

namespace ito::nn {

Tensor log_softmax(const Tensor& logits) {
  const Tensor peak = ops::reduce(ops::ReduceKind::maximum, logits.detach(), {-1});
  const Tensor shifted = logits - peak;
  return shifted - ops::log(ops::reduce(ops::ReduceKind::sum, ops::exp(shifted), {-1}));
}

Tensor one_hot(std::span<const int64_t> classes, int64_t count, DType dtype, Device device) {
  std::vector<float> rows(classes.size() * static_cast<size_t>(count), 0);
  for (size_t n = 0; n < classes.size(); ++n) {
    ITO_CHECK(classes[n] >= 0 && classes[n] < count, ValueError, "no such class",
              kv("class", classes[n]), kv("classes", count));
    rows[n * static_cast<size_t>(count) + static_cast<size_t>(classes[n])] = 1;
  }
  const Tensor host = Tensor::from(rows, {static_cast<int64_t>(classes.size()), count});
  return ops::cast(host, dtype).to(device);
}

Tensor cross_entropy(const Tensor& logits, const Tensor& targets) {
  return -ops::sum(log_softmax(logits) * targets, {1});
}

Tensor classifier_gradient(const Network& classifier, const Tensor& x, const Tensor& labels,
                           const Tensor& targets) {
  const GradScope on;
  Tensor image = x.detach();
  image.set_requires_grad();
  const Tensor log_p = -cross_entropy(classifier.forward(image, labels), targets);
  return grad(ops::sum(log_p), {image}).front();
}

}  // namespace ito::nn
