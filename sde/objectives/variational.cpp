#include "sde/objectives/variational.h"

#include <cmath>
#include <numbers>

#include "kernels/binary/op.h"
#include "kernels/concat/op.h"
#include "kernels/perturb/op.h"
#include "kernels/reduce/op.h"
#include "kernels/reshape/op.h"
#include "kernels/slice/op.h"
#include "kernels/unary/op.h"

namespace ito::sde {
namespace {

/// a(i) of each sample, for broadcasting over x0.
template <class F>
Tensor column(std::span<const int> indices, const Tensor& x0, const F& a) {
  std::vector<double> values;
  for (const int i : indices) values.push_back(a(i));
  return over_samples(per_sample(values, x0), x0);
}

Tensor half(const Tensor& output, int64_t part) {
  const int64_t c = output.shape()[-1] / 2;
  return ops::slice(output, -1, part * c, (part + 1) * c);
}

Tensor totals(const Tensor& x) { return ops::sum(ops::flatten(x), {1}); }

/// 1 where x >= bound, else 0.
Tensor at_least(const Tensor& x, double bound) {
  return ops::greater_equal(x, Tensor::full(x.shape(), bound, x.dtype(), x.device()));
}

/// Argument of the logistic function that approximates the normal distribution function:
/// (1 + tanh(w)) / 2 = 1 / (1 + e^(-2w)).
Tensor logit_of_cdf(const Tensor& x) {
  const double c = 2 * std::sqrt(2 / std::numbers::pi);
  return c * x + (0.044715 * c) * (x * ops::square(x));
}

/// ln of the variances of p(x_{i-1} | x_i), broadcasting over x0.
Tensor reverse_log_variance(const DiffusionChain& chain, const Tensor& output, const Tensor& x0,
                            std::span<const int> indices, ReverseVariance kind) {
  const auto posterior = [&](int i) { return chain.log_posterior_variance(i); };
  const auto beta = [&](int i) { return std::log(chain.at(i).beta); };
  if (kind == ReverseVariance::posterior) return column(indices, x0, posterior);
  if (kind == ReverseVariance::beta) {
    return column(indices, x0, [&](int i) { return i == 0 ? posterior(0) : beta(i); });
  }
  const Tensor v = 0.5 * (half(output, 1) + 1.0);
  return v * column(indices, x0, beta) + (1.0 - v) * column(indices, x0, posterior);
}

Tensor labels_of(std::span<const int> indices, const Tensor& x0) {
  return per_sample(std::vector<double>(indices.begin(), indices.end()), x0);
}

}  // namespace

Tensor predicted_noise(const Tensor& output) { return half(output, 0); }

Tensor decoder_nll(const Tensor& x0, const Tensor& mean, const Tensor& log_variance, int bits) {
  ITO_CHECK(bits >= 1 && bits <= 16, ValueError, "1 to 16 bits", kv("bits", bits));
  const double half_bin = 1 / (std::exp2(bits) - 1);
  const Tensor precision = ops::exp(-0.5 * log_variance), centred = x0 - mean;
  const Tensor a = logit_of_cdf((centred + half_bin) * precision);
  const Tensor b = logit_of_cdf((centred - half_bin) * precision);
  // With s the logistic function, s(a) - s(b) = s(a) s(-b) (1 - e^(b - a)): no cancellation.
  const Tensor below = ops::softplus(-a), above = ops::softplus(b);  // -ln s(a), -ln s(-b)
  const Tensor inside = below + above - ops::log(-ops::unary(ops::UnaryKind::expm1, b - a));
  const Tensor highest = at_least(x0, 1 - half_bin), lowest = 1.0 - at_least(x0, half_bin - 1);
  return highest * above + lowest * below + (1.0 - highest - lowest) * inside;
}

Tensor normal_kl(const Tensor& mean_a, const Tensor& log_a, const Tensor& mean_b,
                 const Tensor& log_b) {
  const Tensor ratio = log_a - log_b;
  return 0.5 * (ops::exp(ratio) - ratio - 1.0 + ops::square(mean_a - mean_b) * ops::exp(-log_b));
}

Tensor variational_terms(const DiffusionChain& chain, const Tensor& output, const Tensor& x0,
                         const Tensor& xi, std::span<const int> indices,
                         const VariationalOptions& options) {
  const auto of = [&](double DiffusionChain::Step::*member) {
    return column(indices, x0, [&](int i) { return chain.at(i).*member; });
  };
  const bool learned = options.variance == ReverseVariance::learned;
  const Tensor noise = learned ? predicted_noise(output) : output;
  const Tensor abar = of(&DiffusionChain::Step::alpha_bar);
  const Tensor x0_hat = (xi - ops::sqrt(1.0 - abar) * noise) / ops::sqrt(abar);
  const Tensor from_x0 = of(&DiffusionChain::Step::from_x0);
  const Tensor rest = of(&DiffusionChain::Step::from_xi) * xi;
  const Tensor model_mean = from_x0 * x0_hat + rest, true_mean = from_x0 * x0 + rest;
  const Tensor model_log = reverse_log_variance(chain, output, x0, indices, options.variance);
  const Tensor true_log =
      column(indices, x0, [&](int i) { return chain.log_posterior_variance(i); });
  const Tensor kl = totals(normal_kl(true_mean, true_log, model_mean, model_log));
  const Tensor decoder = totals(decoder_nll(x0, model_mean, model_log, options.bits));
  std::vector<double> first;
  for (const int i : indices) first.push_back(i == 0 ? 1 : 0);
  const Tensor is_first = per_sample(first, x0);
  return is_first * decoder + (1.0 - is_first) * kl;
}

Tensor prior_kl(const DiffusionChain& chain, const Tensor& x0) {
  const double abar = chain.at(chain.levels() - 1).alpha_bar;
  const auto constant = [&](double v) {
    return Tensor::full(Shape{1}, v, x0.dtype(), x0.device());
  };
  return totals(
      normal_kl(std::sqrt(abar) * x0, constant(std::log1p(-abar)), constant(0), constant(0)));
}

ChainDraw draw_chain(const DiffusionChain& chain, const Tensor& x0, std::span<const int> indices,
                     const Tensor& samples, NoiseKey key) {
  std::vector<double> mean, std;
  for (const int i : indices) {
    mean.push_back(std::sqrt(chain.at(i).alpha_bar));
    std.push_back(std::sqrt(1 - chain.at(i).alpha_bar));
  }
  const ops::Perturbed p =
      ops::perturb(x0, per_sample(mean, x0), per_sample(std, x0), samples, key);
  return {p.x_t, p.z};
}

Tensor variational_losses(const NetworkFn& network, const DiffusionChain& chain, const Tensor& x0,
                          std::span<const int> indices, const Tensor& samples, NoiseKey key,
                          const VariationalOptions& options) {
  const Tensor xi = draw_chain(chain, x0, indices, samples, key).xi;
  const Tensor output = network(xi, labels_of(indices, x0));
  return static_cast<double>(chain.levels()) *
         variational_terms(chain, output, x0, xi, indices, options);
}

Tensor variational_bound(const NetworkFn& network, const DiffusionChain& chain, const Tensor& x0,
                         const Tensor& samples, NoiseKey key, const VariationalOptions& options) {
  Tensor total = prior_kl(chain, x0);
  for (int i = 0; i < chain.levels(); ++i, ++key.step) {
    const std::vector<int> indices(static_cast<size_t>(x0.size(0)), i);
    const Tensor xi = draw_chain(chain, x0, indices, samples, key).xi;
    const Tensor output = network(xi, labels_of(indices, x0));
    total = total + variational_terms(chain, output, x0, xi, indices, options);
  }
  return total;
}

Tensor hybrid_losses(const NetworkFn& network, const DiffusionChain& chain, const Tensor& x0,
                     std::span<const int> indices, const Tensor& samples, NoiseKey key, int bits) {
  const ChainDraw draw = draw_chain(chain, x0, indices, samples, key);
  const Tensor output = network(draw.xi, labels_of(indices, x0));
  const Tensor noise = predicted_noise(output);
  const Tensor simple = ops::mean(ops::flatten(ops::square(noise - draw.z)), {1});
  const Tensor frozen = ops::concat({noise.detach(), half(output, 1)}, -1);
  const Tensor term = variational_terms(chain, frozen, x0, draw.xi, indices,
                                        {.variance = ReverseVariance::learned, .bits = bits});
  const auto d = static_cast<double>(x0.numel() / x0.size(0));
  return simple + (chain.levels() / 1000.0 / (d * std::numbers::ln2)) * term;
}

}  // namespace ito::sde
