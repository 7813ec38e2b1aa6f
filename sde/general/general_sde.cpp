#include "sde/general/general_sde.h"

#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "kernels/broadcast_to/op.h"
#include "kernels/concat/op.h"
#include "kernels/matmul/op.h"
#include "kernels/reduce/op.h"
#include "kernels/reshape/op.h"
#include "kernels/scaled_sum/op.h"
#include "kernels/slice/op.h"
#include "kernels/unary/op.h"

namespace ito::sde {
namespace {

/// d(sum over samples of one number each)/dx; zeros where the number does not depend on x.
Tensor gradient_of(const Tensor& value, const Tensor& x) {
  if (!value.requires_grad()) return Tensor::zeros(x.shape(), x.dtype(), x.device());
  const Tensor g = grad(ops::sum(value), {x}, {.keep_graph = true, .allow_unused = true})[0];
  return g ? g : Tensor::zeros(x.shape(), x.dtype(), x.device());
}

Tensor tracked(const Tensor& x) {
  Tensor leaf = x.detach();
  leaf.set_requires_grad();
  return leaf;
}

Tensor column(const Tensor& x, int64_t j) { return ops::slice(x, 1, j, j + 1); }

/// A [N, d, d] v [N, d] for A = G or its transpose.
Tensor product(const Tensor& matrix, ops::Transpose transpose, const Tensor& v) {
  const Tensor columns = ops::reshape(v, {v.size(0), v.size(1), 1});
  const Tensor y = ops::matmul(matrix, columns, {.a = transpose});
  return ops::reshape(y, {y.size(0), y.size(1)});
}

Tensor matrix_divergence(const Tensor& g, const Tensor& x) {
  const Tensor covariance = ops::matmul(g, g, {.b = ops::Transpose::yes});  // [N, d, d]
  Tensors rows;
  for (int64_t i = 0; i < x.size(1); ++i) {
    Tensor sum;
    for (int64_t j = 0; j < x.size(1); ++j) {
      const Tensor entry = ops::slice(ops::slice(covariance, 1, i, i + 1), 2, j, j + 1);
      const Tensor part = column(gradient_of(entry, x), j);
      sum = sum ? sum + part : part;
    }
    rows.push_back(sum);
  }
  return ops::concat(rows, 1);
}

}  // namespace

Tensor diffusion_divergence(const GeneralSde& sde, const Tensor& at, double t) {
  const GradScope on;
  const Tensor x = tracked(at);
  const Tensor g = sde.diffusion(x, t);
  if (sde.kind == Diffusion::scalar) return gradient_of(ops::square(g), x);
  if (sde.kind == Diffusion::matrix) return matrix_divergence(g, x);
  Tensors columns;
  const Tensor variance = ops::square(g);
  for (int64_t i = 0; i < x.size(1); ++i) {
    columns.push_back(column(gradient_of(column(variance, i), x), i));
  }
  return ops::concat(columns, 1);
}

Tensor apply_covariance(const GeneralSde& sde, const Tensor& x, double t, const Tensor& v) {
  const Tensor g = sde.diffusion(x, t);
  if (sde.kind != Diffusion::matrix) return ops::square(g) * v;
  return product(g, ops::Transpose::no, product(g, ops::Transpose::yes, v));
}

Tensor reverse_drift(const GeneralSde& sde, const Tensor& x, double t, const Tensor& score) {
  return sde.drift(x, t) - diffusion_divergence(sde, x, t) - apply_covariance(sde, x, t, score);
}

Tensor flow_drift(const GeneralSde& sde, const Tensor& x, double t, const Tensor& score) {
  return sde.drift(x, t) -
         0.5 * (diffusion_divergence(sde, x, t) + apply_covariance(sde, x, t, score));
}

GeneralSde reversed(const GeneralSde& sde, const ScoreFn& score, double T) {
  return {.drift =
              [=](const Tensor& x, double tau) {
                const double t = T - tau;
                return -reverse_drift(sde, x, t, score(x, std::span(&t, 1)));
              },
          .diffusion = [=](const Tensor& x, double tau) { return sde.diffusion(x, T - tau); },
          .kind = sde.kind};
}

namespace {

/// g_i d(g_i)/d(x_i) (dw_i^2 - h) / 2.
Tensor milstein_term(const GeneralSde& sde, const Tensor& at, double t, double h,
                     const Tensor& dw) {
  const GradScope on;
  const Tensor x = tracked(at);
  const Tensor g = sde.diffusion(x, t);
  const Tensor slope = gradient_of(g, x);
  return 0.5 * (g.detach() * slope * (ops::square(dw) - h));
}

}  // namespace

std::vector<Tensor> simulate(const GeneralSde& sde, const Tensor& x0, double t0, double h,
                             const std::vector<Tensor>& increments, ForwardRule rule) {
  ITO_CHECK(x0.rank() == 2, ShapeError, "states are [N, d]", kv("x0", x0.shape()));
  ITO_CHECK(rule != ForwardRule::milstein || sde.kind == Diffusion::diagonal, ValueError,
            "Milstein's rule is for a diagonal diffusion");
  const NoGradScope off;
  std::vector<Tensor> path = {x0};
  for (size_t i = 0; i < increments.size(); ++i) {
    const Tensor& x = path.back();
    const Tensor& dw = increments[i];
    const double t = t0 + h * static_cast<double>(i);
    const Tensor g = sde.diffusion(x, t);
    const Tensor noise =
        sde.kind == Diffusion::matrix ? product(g, ops::Transpose::no, dw) : g * dw;
    Tensor next = ops::scaled_sum(1, x, h, sde.drift(x, t)) + noise;
    if (rule == ForwardRule::milstein) next = next + milstein_term(sde, x, t, h, dw);
    path.push_back(next);
  }
  return path;
}

}  // namespace ito::sde
