#include "sde/linear.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "engine/core/check.h"
#include "sde/vp.h"

namespace ito::sde {
namespace {

constexpr int kPanels = 128;
constexpr int kNodes = 12;

struct Quadrature {
  std::array<double, kNodes> node, weight;  // on [0, 1]
};

/// Gauss-Legendre nodes: the roots of P_n by Newton's method, weights 2 / ((1 - x^2) P_n'(x)^2).
Quadrature gauss_legendre() {
  Quadrature q{};
  for (int i = 0; i < kNodes; ++i) {
    double x = std::cos(std::numbers::pi * (i + 0.75) / (kNodes + 0.5)), slope = 0;
    for (int round = 0; round < 100; ++round) {
      double p = 1, before = 0;
      for (int n = 1; n <= kNodes; ++n) {
        const double next = ((2 * n - 1) * x * p - (n - 1) * before) / n;
        before = p;
        p = next;
      }
      slope = kNodes * (x * p - before) / (x * x - 1);
      const double change = p / slope;
      x -= change;
      if (std::abs(change) < 1e-16) break;
    }
    q.node[static_cast<size_t>(i)] = 0.5 * (1 + x);
    q.weight[static_cast<size_t>(i)] = 1 / ((1 - x * x) * slope * slope);
  }
  return q;
}

template <class F>
double integral(const F& f, double a, double b) {
  static const Quadrature q = gauss_legendre();
  double sum = 0;
  for (size_t i = 0; i < kNodes; ++i) sum += q.weight[i] * f(std::lerp(a, b, q.node[i]));
  return (b - a) * sum;
}

}  // namespace

LinearSde::LinearSde(LinearConfig config) : config_(std::move(config)) {
  const LinearConfig& c = config_;
  ITO_CHECK(c.drift && c.diffusion2, ValueError, "a linear SDE needs drift and diffusion2",
            kv("name", c.name));
  ITO_CHECK((c.alpha != nullptr) == (c.sigma != nullptr), ValueError,
            "closed forms of both alpha and sigma, or of neither", kv("name", c.name));
  ITO_CHECK(c.T > 0 && std::isfinite(c.T) && c.sampling_eps >= 0 && c.sampling_eps < c.T,
            ValueError, "a linear SDE needs T > 0 and 0 <= sampling_eps < T", kv("T", c.T),
            kv("sampling_eps", c.sampling_eps));
  ITO_CHECK(c.initial_std >= 0 && c.prior_std >= 0, ValueError,
            "standard deviations are not negative", kv("initial_std", c.initial_std),
            kv("prior_std", c.prior_std));
  if (c.alpha) return;
  knots_.push_back({0, 0, c.initial_std * c.initial_std});
  for (int i = 1; i <= kPanels; ++i) knots_.push_back(advanced(knots_.back(), c.T * i / kPanels));
  ITO_CHECK(std::isfinite(knots_.back().log_alpha) && std::isfinite(knots_.back().variance),
            ValueError, "the coefficients are not integrable", kv("name", c.name));
}

LinearSde::Knot LinearSde::advanced(const Knot& from, double t) const {
  const auto change = [&](double u) { return integral(config_.drift, from.t, u); };
  const double all = change(t);
  const double added = integral(
      [&](double u) { return config_.diffusion2(u) * std::exp(2 * (all - change(u))); }, from.t, t);
  return {t, from.log_alpha + all, from.variance * std::exp(2 * all) + added};
}

LinearSde::Knot LinearSde::at(double t) const {
  ITO_CHECK(t >= 0 && t <= T(), ValueError, "time outside [0, T]", kv("t", t), kv("T", T()));
  const Knot& before = knots_[static_cast<size_t>(t / T() * kPanels)];
  return t == before.t ? before : advanced(before, t);
}

double LinearSde::alpha(double t) const {
  return config_.alpha ? config_.alpha(t) : std::exp(at(t).log_alpha);
}

double LinearSde::sigma(double t) const {
  return config_.sigma ? config_.sigma(t) : std::sqrt(at(t).variance);
}

double LinearSde::prior_std() const {
  return config_.prior_std > 0 ? config_.prior_std : sigma(T());
}

double LinearSde::network_label(double t, Labels labels, int levels) const {
  const double fraction = t / T();
  return labels == Labels::continuous ? config_.label_per_time * fraction : fraction * (levels - 1);
}

double LinearSde::score_scale(double t, Labels, int, IndexRounding) const { return -1 / sigma(t); }

namespace {

constexpr double kOffset = 0.008, kLargestBeta = 0.999;
constexpr double kRate = std::numbers::pi / 2 / (1 + kOffset);  // of the angle

double angle(double t) { return kRate * (t + kOffset); }
double cosine_alpha(double t) { return std::cos(angle(t)) / std::cos(angle(0)); }
double cosine_beta(double t) { return 2 * kRate * std::tan(angle(t)); }
double table_beta(int k, int levels) {
  const double ratio = cosine_alpha((k + 1.0) / levels) / cosine_alpha(1.0 * k / levels);
  return std::min(1 - ratio * ratio, kLargestBeta);
}

}  // namespace

Cosine::Cosine() : capped_from_(std::atan(1000 * kLargestBeta / (2 * kRate)) / kRate - kOffset) {}

double Cosine::alpha(double t) const {
  if (t <= capped_from_) return cosine_alpha(t);
  return cosine_alpha(capped_from_) * std::exp(drift(t) * (t - capped_from_));
}

double Cosine::sigma(double t) const {
  if (t > capped_from_) return std::sqrt(1 - alpha(t) * alpha(t));
  // 1 - alpha^2 without cancellation: cos^2 a - cos^2 b = sin(b - a) sin(b + a).
  const double start = angle(0), now = angle(t);
  return std::sqrt(std::sin(now - start) * std::sin(now + start)) / std::cos(start);
}

double Cosine::drift(double t) const { return -0.5 * diffusion2(t); }

double Cosine::diffusion2(double t) const { return cosine_beta(std::min(t, capped_from_)); }

Discretization Cosine::discretize(double t, int levels, IndexRounding rounding) const {
  const int k = level_of(t, levels, rounding);
  return ddpm_step(k, [&](int j) { return table_beta(j, levels); });
}

double Cosine::network_label(double t, Labels labels, int levels) const {
  return labels == Labels::continuous ? 999 * t : t * (levels - 1);
}

double Cosine::score_scale(double t, Labels labels, int levels, IndexRounding rounding) const {
  if (labels == Labels::continuous) return -1 / sigma(t);
  return -1 / discretize(t, levels, rounding).sigma_k;
}

}  // namespace ito::sde
