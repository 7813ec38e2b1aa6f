#include "tests/support/samples.h"

#include <cmath>
#include <limits>

#include "engine/random/noise.h"

namespace ito::testing {
namespace {

uint64_t hash(std::string_view text) {
  uint64_t h = 1469598103934665603ull;  // FNV-1a
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return h;
}

double rounded(double value, DType dtype) {
  if (dtype == DType::f32) return static_cast<float>(value);
  if (dtype == DType::bf16) return static_cast<float>(BFloat16(value));
  return value;
}

Tensor make_input(const InputInit& init, DType dtype, uint64_t seed) {
  const auto n = static_cast<size_t>(init.shape.numel());
  const NoiseKey key{seed, Purpose::data, 0};
  std::vector<double> list(n);
  for (size_t i = 0; i < n; ++i) {
    const auto element = static_cast<uint32_t>(i);
    switch (init.kind) {
      case InputInit::Kind::normal:
        list[i] = init.a + init.b * normal_at(key, 0, element);
        break;
      case InputInit::Kind::uniform:
        list[i] = init.a + (init.b - init.a) * uniform_at(key, 0, element);
        break;
      case InputInit::Kind::integers:
        list[i] = std::floor(init.b * uniform_at(key, 0, element));
        break;
      case InputInit::Kind::values:
        list[i] = init.list.at(i);
        break;
      case InputInit::Kind::absent:
        break;
    }
  }
  if (init.fixed_dtype && !is_floating(init.dtype)) {
    return dispatch_any(init.dtype, [&]<class T>() {
      return Tensor::from(std::vector<T>(list.begin(), list.end()), init.shape);
    });
  }
  for (double& v : list) v = rounded(v, init.fixed_dtype ? init.dtype : dtype);
  return Tensor::from(list, init.shape);
}

}  // namespace

Tensors make_inputs(const OpInfo& op, const Sample& sample, DType dtype) {
  Tensors inputs;
  for (size_t i = 0; i < sample.inputs.size(); ++i) {
    const InputInit& init = sample.inputs[i];
    const uint64_t seed = hash(op.name) ^ (hash(sample.id) + i * 0x9e3779b97f4a7c15ull);
    inputs.push_back(init.kind == InputInit::Kind::absent ? Tensor()
                                                          : make_input(init, dtype, seed));
  }
  return inputs;
}

Tensor converted(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x.to(kCpu).clone();
  const Tensor host = x.to(kCpu);
  const Tensor y = Tensor::empty(x.shape(), dtype);
  dispatch_float(x.dtype(), "converted", [&]<class From>() {
    dispatch_float(dtype, "converted", [&]<class To>() {
      for (int64_t i = 0; i < x.numel(); ++i) {
        y.data<To>()[i] = static_cast<To>(static_cast<double>(host.data<From>()[i]));
      }
    });
  });
  return y;
}

Tensors cast_inputs(const Tensors& inputs, const Sample& sample, DType dtype, Device device) {
  Tensors result;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const InputInit& init = sample.inputs[i];
    if (!inputs[i]) {
      result.emplace_back();
    } else if (!is_floating(inputs[i].dtype())) {
      result.push_back(inputs[i].clone().to(device));  // ops may update it in place
    } else {
      result.push_back(converted(inputs[i], init.fixed_dtype ? init.dtype : dtype).to(device));
    }
  }
  return result;
}

Tensor random_like(const Spec& spec, DType dtype, uint64_t seed) {
  return make_input({.kind = InputInit::Kind::normal, .shape = spec.shape}, dtype, seed);
}

double max_abs(const Tensor& x) {
  const Tensor host = x.to(kCpu);
  double top = 0;
  dispatch_any(x.dtype(), [&]<class T>() {
    for (const T& v : host.span<T>()) {
      const double a = std::abs(static_cast<double>(v));
      if (std::isfinite(a)) top = std::max(top, a);
    }
  });
  return top;
}

double max_difference(const Tensor& a, const Tensor& b) {
  const Tensor host = a.to(kCpu);
  double top = 0;
  dispatch_any(host.dtype(), [&]<class T>() {
    dispatch_any(b.dtype(), [&]<class U>() {
      for (int64_t i = 0; i < host.numel(); ++i) {
        const auto u = static_cast<double>(host.data<T>()[i]);
        const auto v = static_cast<double>(b.data<U>()[i]);
        if (std::isnan(u) && std::isnan(v)) continue;
        if (u == v) continue;
        const double d = std::abs(u - v);
        top = std::isnan(d) ? std::numeric_limits<double>::infinity() : std::max(top, d);
      }
    });
  });
  return top;
}

}  // namespace ito::testing
