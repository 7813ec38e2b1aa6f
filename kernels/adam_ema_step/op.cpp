#include "kernels/adam_ema_step/op.h"

#include <cmath>

#include "engine/core/parallel.h"
#include "kernels/common/define_op.h"
#include "kernels/common/halving.h"

namespace ito {
namespace {

using ops::AdamEmaAttrs;

enum Input { kP, kG, kM, kV, kEma };

/// Scalars of one update, computed once in fp64.
struct Update {
  double clip, decay_weights, beta1, beta2, step_size, root_correction, eps, ema_rate;
};

Update update_of(const AdamEmaAttrs& a, double norm) {
  const auto t = static_cast<double>(a.step);
  return {.clip = a.grad_clip < 0 ? 1.0 : std::min(1.0, a.grad_clip / (norm + 1e-6)),
          .decay_weights = a.weight_decay,
          .beta1 = a.beta1,
          .beta2 = a.beta2,
          .step_size = a.lr / (1 - std::pow(a.beta1, t)),
          .root_correction = std::sqrt(1 - std::pow(a.beta2, t)),
          .eps = a.eps,
          .ema_rate = 1 - a.ema_decay};
}

template <class T>
void update_range(const Update& u, int64_t n, T* p, const T* g, T* m, T* v, T* ema) {
  using A = Acc<T>;
  const A clip = static_cast<A>(u.clip), wd = static_cast<A>(u.decay_weights);
  const A b1 = static_cast<A>(u.beta1), c1 = static_cast<A>(1 - u.beta1);
  const A b2 = static_cast<A>(u.beta2), c2 = static_cast<A>(1 - u.beta2);
  const A step = static_cast<A>(u.step_size), root = static_cast<A>(u.root_correction);
  const A eps = static_cast<A>(u.eps), rate = static_cast<A>(u.ema_rate);
  for (int64_t i = 0; i < n; ++i) {
    const A before = static_cast<A>(p[i]);
    const A gi = clip * static_cast<A>(g[i]) + wd * before;
    const A mi = b1 * static_cast<A>(m[i]) + c1 * gi;
    const A vi = b2 * static_cast<A>(v[i]) + c2 * gi * gi;
    const A after = before - step * (mi / (std::sqrt(vi) / root + eps));
    const A average = static_cast<A>(ema[i]);
    p[i] = static_cast<T>(after);
    m[i] = static_cast<T>(mi);
    v[i] = static_cast<T>(vi);
    ema[i] = static_cast<T>(average - rate * (average - after));
  }
}

constexpr int64_t kGrain = 1 << 15;  // of the update
constexpr int64_t kChunk = 1 << 13;  // of the norm

/// Sum of squares in double, in the order of the GPU kernels: 16 lanes inside a chunk; then every
/// 256th chunk in order, and these 256 sums by halving.
template <class T>
double squared_norm(Launch& launch, const T* g, int64_t n) {
  constexpr int kLanes = 16;
  const int64_t chunks = (n + kChunk - 1) / kChunk;
  auto* partial = launch.scratch<double>(chunks);
  parallel_for(chunks, [&](int64_t c) {
    double lanes[kLanes] = {};
    const int64_t end = std::min(n, (c + 1) * kChunk);
    int64_t i = c * kChunk;
    for (; i + kLanes <= end; i += kLanes) {
      for (int j = 0; j < kLanes; ++j) {
        const auto x = static_cast<double>(g[i + j]);
        lanes[j] += x * x;
      }
    }
    for (int j = 0; i < end; ++i, ++j)
      lanes[j] += static_cast<double>(g[i]) * static_cast<double>(g[i]);
    double sum = 0;
    for (const double lane : lanes) sum += lane;
    partial[c] = sum;
  });
  std::array<double, 256> totals{};
  for (int64_t c = 0; c < chunks; ++c) totals[static_cast<size_t>(c % 256)] += partial[c];
  return sum_by_halving(totals);
}

struct AdamEmaStep {
  static constexpr std::string_view name = "adam_ema_step";
  static constexpr OpKind kind = OpKind::constant;
  static constexpr uint32_t mutated_inputs = 1u << kP | 1u << kM | 1u << kV | 1u << kEma;
  using Attrs = AdamEmaAttrs;

  static Specs infer(const Specs& x, const Attrs& a) {
    ITO_CHECK(is_floating(x[kP].dtype), DTypeError, "needs a floating dtype", kv("p", x[kP].dtype));
    for (const Spec& s : x) {
      ITO_CHECK(s.shape == x[kP].shape && s.shape.rank() == 1, ShapeError,
                "p, g, m, v and ema must be arenas [n] of one length", kv("p", x[kP].shape),
                kv("other", s.shape));
      ITO_CHECK(s.dtype == x[kP].dtype, DTypeError, "p, g, m, v and ema must have one dtype",
                kv("p", x[kP].dtype), kv("other", s.dtype));
    }
    ITO_CHECK(a.step >= 1, ValueError, "steps count from 1", kv("step", a.step));
    return {{Shape{1}, DType::f64, x[kP].device}};
  }

  static Tensors reference(const Tensors& x, const Attrs& a) {
    const Tensor p = x[kP].clone(), m = x[kM].clone(), v = x[kV].clone(), ema = x[kEma].clone();
    Tensor norm = Tensor::zeros(Shape{1}, DType::f64);
    dispatch_float(p.dtype(), name, [&]<class T>() {
      double sum = 0;
      for (const T& g : x[kG].span<T>()) sum += static_cast<double>(g) * static_cast<double>(g);
      *norm.data<double>() = std::sqrt(sum);
      if (!std::isfinite(sum)) return;
      update_range(update_of(a, std::sqrt(sum)), p.numel(), p.data<T>(), x[kG].data<T>(),
                   m.data<T>(), v.data<T>(), ema.data<T>());
    });
    return {p, m, v, ema, norm};
  }

  static void forward(Launch& launch, const Tensors& x, const Tensors& y, const Attrs& a) {
    dispatch_float(x[kP].dtype(), name, [&]<class T>() {
      const int64_t n = x[kP].numel();
      const double norm = std::sqrt(squared_norm(launch, x[kG].data<T>(), n));
      *y[0].data<double>() = norm;
      if (!std::isfinite(norm)) return;
      const Update update = update_of(a, norm);
      parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) {
        update_range(update, end - begin, x[kP].data<T>() + begin, x[kG].data<T>() + begin,
                     x[kM].data<T>() + begin, x[kV].data<T>() + begin, x[kEma].data<T>() + begin);
      });
    });
  }

  static Samples samples() {
    Samples list;
    const auto add = [&](const char* id, int64_t n, AdamEmaAttrs a) {
      const Shape s{n};
      list.push_back({id,
                      {normal(s), normal(s), normal(s, 0, 0.1), uniform(s, 0, 0.1), normal(s)},
                      attrs(a),
                      false});
    };
    add("first_step", 37, {.step = 1});
    add("later_step", 1003, {.step = 100});
    add("no_clip", 64, {.grad_clip = -1, .step = 3});
    add("weight_decay", 65, {.weight_decay = 0.1, .step = 3});
    add("no_ema", 17, {.ema_decay = 0, .step = 2});
    add("chunk_and_one", (1 << 13) + 1, {.step = 7});
    add("three_chunks", 3 * (1 << 13) - 5, {.step = 7});
    add("grain_and_one", (1 << 15) + 1, {.step = 7});
    add("one", 1, {.step = 1});
    add("empty", 0, {.step = 1});
    return list;
  }
  static ErrorSamples errors() {
    const auto sample = [](Shape g, int64_t step) {
      const Shape s{4};
      return Sample{"bad",
                    {normal(s), normal(g), normal(s), normal(s), normal(s)},
                    attrs(Attrs{.step = step})};
    };
    return {{sample({5}, 1), "arenas [n] of one length"}, {sample({4}, 0), "steps count from 1"}};
  }
  static Samples bench_samples() {
    const Shape s{1 << 24};
    return {
        {"16M", {normal(s), normal(s), normal(s), uniform(s, 0, 1), normal(s)}, attrs(Attrs{})}};
  }
  static Cost cost(const Specs& x, const Specs&, const Attrs&) {
    // Reads p, g, m, v, ema and g once more for the norm; writes p, m, v, ema.
    const auto n = static_cast<double>(x[kP].shape.numel());
    return {10 * n * static_cast<double>(size_of(x[kP].dtype)), 16 * n};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(AdamEmaStep, adam_ema_step)

namespace ito::ops {

Tensor adam_ema_step(const Tensor& p, const Tensor& g, const Tensor& m, const Tensor& v,
                     const Tensor& ema, const AdamEmaAttrs& attrs) {
  return call(op_adam_ema_step(), {p, g, m, v, ema}, attrs)[0];
}

}  // namespace ito::ops
