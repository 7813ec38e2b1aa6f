#include "samplers/likelihood/log_likelihood.h"

#include <cmath>
#include <numbers>
#include <numeric>

#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/concat/op.h"
#include "kernels/noise/op.h"
#include "kernels/reduce/op.h"
#include "kernels/reshape/op.h"
#include "kernels/scaled_sum/op.h"
#include "kernels/slice/op.h"
#include "kernels/unary/op.h"

namespace ito::samplers {
namespace {

/// x [N, ...] and l [N] as one state [N, D + 1].
Tensor joined(const Tensor& x, const Tensor& l) {
  return ops::concat({ops::flatten(x), ops::reshape(l, {l.size(0), 1})}, 1);
}

/// Sums over everything but the samples: [N].
Tensor row_sums(const Tensor& x) { return ops::sum(ops::flatten(x), {1}); }

/// The basis vector of dimension j for every sample.
Tensor basis(const Tensor& like, int64_t j) {
  const int64_t n = like.size(0), d = like.numel() / n;
  std::vector<double> values(static_cast<size_t>(like.numel()), 0.0);
  for (int64_t i = 0; i < n; ++i) values[static_cast<size_t>(i * d + j)] = 1;
  return ops::cast(Tensor::from(values, like.shape()), like.dtype()).to(like.device());
}

/// The right-hand side of image and log-density.
class Augmented {
 public:
  Augmented(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
            const std::vector<int64_t>& samples, const LikelihoodOptions& o)
      : score_(score), sde_(sde), shape_(x.shape()), options_(o) {
    if (o.divergence == Divergence::exact) return;
    probes_ = o.recorded.empty() ? drawn(x, samples) : o.recorded;
    for (const Tensor& v : probes_) squares_.push_back(row_sums(ops::square(v)));
  }

  Tensor operator()(const Tensor& state, std::span<const double> t) const {
    const int64_t dimension = state.size(1) - 1;
    Tensor x = ops::reshape(ops::slice(state, 1, 0, dimension), shape_).detach();
    x.set_requires_grad();
    Tensor s;
    {
      const GradScope recording;
      s = score_(x, t);
    }
    std::vector<double> f, g;
    for (const double time : t) {
      f.push_back(sde_.drift(time));
      g.push_back(-sde_.diffusion2(time) / 2);
    }
    // div (f x + g s) = f d + g tr(ds/dx), with v'v in the place of d for Hutchinson's estimate.
    const Tensor drift = sde::per_sample(f, x), weight = sde::per_sample(g, x);
    const auto [trace, size] = trace_of(s, x);
    const Tensor change = drift * size + weight * trace;
    const Tensor flow =
        sde::over_samples(drift, x) * x.detach() + sde::over_samples(weight, x) * s.detach();
    return joined(flow, change);
  }

 private:
  std::vector<Tensor> drawn(const Tensor& x, const std::vector<int64_t>& samples) const {
    ITO_CHECK(options_.probes >= 1, ValueError, "at least one probe",
              kv("probes", options_.probes));
    const Tensor indices = Tensor::from(samples, {x.size(0)}, x.device());
    std::vector<int64_t> sample_shape;
    for (int axis = 1; axis < x.rank(); ++axis) sample_shape.push_back(x.size(axis));
    std::vector<Tensor> list;
    for (int k = 0; k < options_.probes; ++k) {
      list.push_back(ops::noise(
          indices,
          {.kind = options_.divergence == Divergence::gaussian ? ops::NoiseKind::normal
                                                               : ops::NoiseKind::rademacher,
           .sample_shape = Shape(std::span<const int64_t>(sample_shape)),
           .dtype = x.dtype(),
           .key = {options_.seed, Purpose::probe, static_cast<uint32_t>(k)}}));
    }
    return list;
  }

  /// v' (ds/dx) v and v'v, averaged over the probes; or the trace and the dimension. [N] each.
  std::pair<Tensor, Tensor> trace_of(const Tensor& s, const Tensor& x) const {
    const bool exact = options_.divergence == Divergence::exact;
    const int64_t products = exact ? x.numel() / x.size(0) : static_cast<int64_t>(probes_.size());
    Tensor trace = Tensor::zeros({x.size(0)}, x.dtype(), x.device());
    Tensor size = Tensor::zeros({x.size(0)}, x.dtype(), x.device());
    for (int64_t k = 0; k < products; ++k) {
      const Tensor v = exact ? basis(x, k) : probes_[static_cast<size_t>(k)];
      const bool last = k + 1 == products;
      const Tensor jv = grad({s}, {x}, {.seeds = {v}, .keep_graph = !last})[0];  // J'v
      trace = trace + row_sums(jv * v);
      size = exact ? size + 1.0 : size + squares_[static_cast<size_t>(k)];
    }
    const double weight = exact ? 1 : 1 / static_cast<double>(products);
    return {weight * trace, weight * size};
  }

  const sde::ScoreFn& score_;
  const sde::Sde& sde_;
  const Shape shape_;
  const LikelihoodOptions& options_;
  std::vector<Tensor> probes_, squares_;
};

}  // namespace

Likelihood log_likelihood(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                          const std::vector<int64_t>& samples, const LikelihoodOptions& o) {
  const NoGradScope off;
  ITO_CHECK(static_cast<int64_t>(samples.size()) == x.size(0), ShapeError, "one index per image",
            kv("x", x.shape()), kv("indices", samples.size()));
  const Augmented rhs(score, sde, x, samples, o);
  const int64_t n = x.size(0), dimension = x.numel() / n;
  const Tensor start = joined(x, Tensor::zeros({n}, x.dtype(), x.device()));
  const OdeResult path =
      integrate([&](const Tensor& y, std::span<const double> t) { return rhs(y, t); }, o.eps,
                sde.T(), start, o.solver);
  Likelihood result{.latent = ops::reshape(ops::slice(path.y, 1, 0, dimension), x.shape()),
                    .times = path.times,
                    .evaluations = path.evaluations};
  const auto on_host = [](const Tensor& t) {
    return ops::cast(t.to(kCpu), DType::f64).to_vector<double>();
  };
  result.change = on_host(ops::slice(path.y, 1, dimension, dimension + 1));
  const Tensor latent = ops::cast(result.latent.to(kCpu), DType::f64);
  const std::vector<double> squares = row_sums(ops::square(latent)).to_vector<double>();
  for (size_t i = 0; i < squares.size(); ++i) {
    result.prior.push_back(sde.prior_logp(dimension, squares[i]));
    result.logp.push_back(result.prior[i] + result.change[i]);
  }
  return result;
}

double bits_per_dim_offset(const Quantization& data) {
  return data.bits - std::log2(data.high - data.low);
}

double bits_per_dim(double logp, int64_t dimension, const Quantization& data) {
  return -logp / (static_cast<double>(dimension) * std::numbers::ln2) + bits_per_dim_offset(data);
}

Summary summarize(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  Summary s;
  s.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double v : values) squares += (v - s.mean) * (v - s.mean);
  if (values.size() > 1) s.standard_error = std::sqrt(squares / (n - 1) / n);
  return s;
}

}  // namespace ito::samplers
