#include "tests/ops/cell_checks.h"

#include <cmath>
#include <cstring>
#include <functional>

#include "engine/autograd/autograd.h"
#include "engine/autograd/call.h"
#include "engine/core/parallel.h"
#include "kernels/binary/op.h"
#include "kernels/reduce/op.h"
#include "kernels/unary/op.h"
#include "tests/support/samples.h"

namespace ito::testing {
namespace {

bool any_nan(const Tensors& list) {
  for (const Tensor& t : list) {
    if (!t || !is_floating(t.dtype())) continue;
    for (const double v : converted(t, DType::f64).span<double>()) {
      if (std::isnan(v)) return true;
    }
  }
  return false;
}

std::string text(double v) { return detail::number_text(v); }

/// Inputs of one evaluation; those that the sample declares differentiable are leaves on the tape.
Tensors leaves_of(const Cell& cell, const Tensors& f64, DType dtype, Device device) {
  Tensors x = cast_inputs(f64, cell.sample, dtype, device);
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] && cell.sample.inputs[i].differentiable) x[i].set_requires_grad();
  }
  return x;
}

Tensors wanted(const Cell& cell, const Tensors& x) {
  Tensors list;
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] && cell.sample.inputs[i].differentiable) list.push_back(x[i]);
  }
  return list;
}

using Evaluate = std::function<Tensors(const Tensors&)>;

Evaluate kernel_of(const Cell& cell) {
  return [&cell](const Tensors& x) { return call(cell.op, x, cell.sample.attrs); };
}
Evaluate reference_of(const Cell& cell) {
  return [&cell](const Tensors& x) { return cell.op.reference(x, cell.sample.attrs.get()); };
}

/// What an op produces: its visible outputs; for ops that update inputs in place, first those.
Tensors products(const OpInfo& op, const Tensors& x, const Tensors& outputs) {
  Tensors list;
  for (size_t i = 0; i < x.size(); ++i) {
    if ((op.mutated_inputs >> i & 1u) != 0 && x[i]) list.push_back(x[i]);
  }
  list.insert(list.end(), outputs.begin(), outputs.end());
  return list;
}

Tensors seeds_for(const Tensors& ys, DType rounded_to) {
  Tensors seeds;
  for (size_t i = 0; i < ys.size(); ++i) {
    seeds.push_back(random_like(spec_of(ys[i]), rounded_to, 0x5eed + i));
  }
  return seeds;
}

Tensors first_gradients(const Cell& cell, const Evaluate& f, const Tensors& x,
                        const Tensors& seeds64, bool create_graph = false) {
  Tensors ys, seeds;
  const Tensors outputs = f(x);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i] || !outputs[i].requires_grad()) continue;
    ys.push_back(outputs[i]);
    seeds.push_back(converted(seeds64[i], outputs[i].dtype()).to(outputs[i].device()));
  }
  return grad(ys, wanted(cell, x),
              {.seeds = seeds, .create_graph = create_graph, .allow_unused = true});
}

/// Worst violation of the error rule over a list of results.
std::string compare(const Cell& cell, const Tensors& got, const Tensors& plain,
                    const Tensors& exact) {
  double largest = 0;
  for (const Tensor& t : exact) largest = t ? std::max(largest, max_abs(t)) : largest;
  for (size_t i = 0; i < got.size(); ++i) {
    if (!exact[i] || !got[i]) {
      if (static_cast<bool>(exact[i]) != static_cast<bool>(got[i])) {
        return "result " + std::to_string(i) + " exists on one side only";
      }
      continue;
    }
    if (got[i].shape() != exact[i].shape()) {
      return "result " + std::to_string(i) + " has shape " + to_string(got[i].shape()) +
             ", expected " + to_string(exact[i].shape());
    }
    // A result that is zero in theory (1e-9 of its neighbours) is rounding noise of theirs.
    const double own = max_abs(exact[i]);
    const double scale = own < 1e-9 * largest ? largest : own;
    const double error = max_difference(got[i], exact[i]);
    const double plain_error = max_difference(plain[i], exact[i]);
    // In fp64 the oracle itself rounds: the same limit covers sums of 1e5 terms in another order.
    const double eps = got[i].dtype() == DType::f64 ? 0.25e-11 : epsilon_of(got[i].dtype());
    const double limit = cell.sample.tolerance * (2 * plain_error + 4 * eps * scale);
    if (cell.worst != nullptr && limit > 0) *cell.worst = std::max(*cell.worst, error / limit);
    if (!(error <= limit)) {
      return "result " + std::to_string(i) + ": error " + text(error) + " > limit " + text(limit) +
             " (plain " + text(plain_error) + ", scale " + text(scale) + ")";
    }
  }
  return {};
}

Tensor dot(const Tensor& a, const Tensor& b) { return ops::sum(a * b); }

Tensors moved(const Tensors& x, const Tensors& directions, double h) {
  Tensors result;
  for (size_t i = 0; i < x.size(); ++i) {
    result.push_back(directions[i] ? (x[i].detach() + h * directions[i]).detach() : x[i]);
  }
  return result;
}

/// Central difference of f along `directions`, and the inner product that it must equal. The step
/// balances truncation (h^2) against rounding (1e-16 / h) for fp64 and smooth functions.
std::string compare_with_difference(const Cell& cell,
                                    const std::function<double(const Tensors&)>& f,
                                    const Tensors& x, const Tensors& gradients, uint64_t seed) {
  Tensors directions(x.size());
  double expected = 0, scale = 1e-3;
  for (size_t i = 0, j = 0; i < x.size(); ++i) {
    if (!x[i] || !cell.sample.inputs[i].differentiable) continue;
    directions[i] = random_like(spec_of(x[i]), DType::f64, seed + i);
    const Tensor& g = gradients[j++];
    if (!g) continue;
    expected += dot(g.detach(), directions[i]).item();
    for (int64_t k = 0; k < g.numel(); ++k) {
      scale += std::abs(g.data<double>()[k] * directions[i].data<double>()[k]);
    }
  }
  const double h = 1e-5;
  const double difference = (f(moved(x, directions, h)) - f(moved(x, directions, -h))) / (2 * h);
  if (std::abs(difference - expected) <= 2e-7 * scale) return {};
  return "difference quotient " + text(difference) + ", gradient " + text(expected) + " (scale " +
         text(scale) + ")";
}

bool same_bits(const Tensors& a, const Tensors& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!a[i] != !b[i]) return false;
    if (!a[i] || a[i].numel() == 0) continue;
    const Tensor x = a[i].to(kCpu), y = b[i].to(kCpu);
    if (std::memcmp(x.raw(), y.raw(), x.bytes()) != 0) return false;
  }
  return true;
}

}  // namespace

std::string check_forward(const Cell& cell) {
  const NoGradScope off;
  const Tensors f64 = make_inputs(cell.op, cell.sample, cell.dtype);
  const Tensors exact =
      cell.op.reference(cast_inputs(f64, cell.sample, DType::f64, kCpu), cell.sample.attrs.get());
  const Tensors plain =
      cell.op.reference(cast_inputs(f64, cell.sample, cell.dtype, kCpu), cell.sample.attrs.get());
  const Tensors x = cast_inputs(f64, cell.sample, cell.dtype, cell.device);
  const Tensors got = products(cell.op, x, kernel_of(cell)(x));
  return compare(cell, got, plain, exact);
}

std::string check_gradient(const Cell& cell) {
  const Tensors f64 = make_inputs(cell.op, cell.sample, cell.dtype);
  const Evaluate oracle = cell.op.kind == OpKind::fused ? reference_of(cell) : kernel_of(cell);
  const Tensors x64 = leaves_of(cell, f64, DType::f64, kCpu);
  const Tensors seeds = seeds_for(oracle(x64), cell.dtype);
  const Tensors exact = first_gradients(cell, oracle, x64, seeds);
  const Tensors plain =
      first_gradients(cell, oracle, leaves_of(cell, f64, cell.dtype, kCpu), seeds);
  const Tensors got =
      first_gradients(cell, kernel_of(cell), leaves_of(cell, f64, cell.dtype, cell.device), seeds);
  return compare(cell, got, plain, exact);
}

std::string check_gradient_by_differences(const Cell& cell) {
  const Tensors x =
      leaves_of(cell, make_inputs(cell.op, cell.sample, DType::f64), DType::f64, cell.device);
  const Evaluate f = kernel_of(cell);
  const Tensors seeds = seeds_for(f(x), DType::f64);
  const auto objective = [&](const Tensors& at) {
    const NoGradScope off;
    const Tensors ys = f(at);
    double total = 0;
    for (size_t i = 0; i < ys.size(); ++i) total += dot(ys[i], seeds[i].to(ys[i].device())).item();
    return total;
  };
  return compare_with_difference(cell, objective, x, first_gradients(cell, f, x, seeds), 0xd1);
}

std::string check_second_gradient_by_differences(const Cell& cell) {
  const Tensors x =
      leaves_of(cell, make_inputs(cell.op, cell.sample, DType::f64), DType::f64, cell.device);
  const Evaluate f = kernel_of(cell);
  const Tensors seeds = seeds_for(f(x), DType::f64);
  // phi(x) = sum_i <w_i, d(sum seeds * y)/dx_i>
  const auto phi = [&](const Tensors& at) {
    const Tensors g = first_gradients(cell, f, at, seeds, true);
    Tensor total = Tensor::zeros(Shape{}, DType::f64, cell.device);
    for (size_t i = 0; i < g.size(); ++i) {
      if (g[i])
        total = total + dot(g[i], random_like(spec_of(g[i]), DType::f64, 0xa0 + i).to(cell.device));
    }
    return total;
  };
  const Tensor at_x = phi(x);
  Tensors second(wanted(cell, x).size());
  if (at_x.requires_grad()) second = grad(at_x, wanted(cell, x), {.allow_unused = true});
  const auto objective = [&](const Tensors& at) {
    Tensors again = at;
    for (size_t i = 0; i < again.size(); ++i) {
      if (again[i] && cell.sample.inputs[i].differentiable) {
        again[i] = again[i].detach();
        again[i].set_requires_grad();
      }
    }
    return phi(again).item();
  };
  return compare_with_difference(cell, objective, x, second, 0xd2);
}

std::string check_determinism(const Cell& cell) {
  const Tensors f64 = make_inputs(cell.op, cell.sample, cell.dtype);
  const auto run = [&] {
    const bool gradients = cell.op.kind != OpKind::constant && cell.sample.gradients;
    const Tensors x = leaves_of(cell, f64, cell.dtype, cell.device);
    Tensors results;
    {
      const NoGradScope off;
      results = products(cell.op, x, kernel_of(cell)(x));
    }
    if (gradients) {
      const Tensors g = first_gradients(cell, kernel_of(cell), x, seeds_for(results, cell.dtype));
      results.insert(results.end(), g.begin(), g.end());
    }
    return results;
  };
  const int before = num_threads();
  const Tensors first = run();
  std::string problem;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    if (!same_bits(first, run()))
      problem = "bits differ with " + std::to_string(threads) + " threads";
  }
  set_num_threads(before);
  return problem;
}

std::string check_bits_of_cpu(const Cell& cell) {
  const NoGradScope off;
  const Tensors f64 = make_inputs(cell.op, cell.sample, cell.dtype);
  const auto run = [&](Device device) {
    const Tensors x = cast_inputs(f64, cell.sample, cell.dtype, device);
    return products(cell.op, x, kernel_of(cell)(x));
  };
  return same_bits(run(cell.device), run(kCpu)) ? "" : "other bits than on the CPU";
}

std::string check_error(const OpInfo& op, const ErrorSample& error, Device device) {
  try {
    const Tensors x =
        cast_inputs(make_inputs(op, error.sample, DType::f32), error.sample, DType::f32, device);
    const Tensors y = call(op, x, error.sample.attrs);
    if (error.by_value && device.kind != DeviceKind::cpu) {
      return any_nan(products(op, x, y)) ? "" : "bad values gave no NaN";
    }
  } catch (const Error& e) {
    const std::string message = e.what();
    if (message.find(op.name) == std::string::npos)
      return "message does not name the op: " + message;
    if (message.find(error.fragment) == std::string::npos) {
      return "message lacks \"" + error.fragment + "\": " + message;
    }
    return {};
  }
  return "bad input was accepted";
}

}  // namespace ito::testing
