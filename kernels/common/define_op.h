// ITO_OP: turns a struct of statics into an OpInfo.
//
//   struct Softsign {
//     static constexpr std::string_view name = "softsign";       // the folder's name
//     static constexpr OpKind kind = OpKind::fused;              // primitive, fused or constant
//     using Attrs = SoftsignAttrs;
//     static Specs infer(const Specs&, const Attrs&);            // output specs; the only checks
//     static void forward(Launch&, const Tensors& x, const Tensors& y, const Attrs&);     // CPU
//     static Tensors reference(const Tensors& x, const Attrs&);  // fused: primitives; else plain
//     loops static Tensors gradient(const GradCall&, const Attrs&);    // primitives: written with
//     ops static void backward(Launch&, gy, x, y, gx, const Attrs&); // fused, optional: first
//     order static Samples samples();            static ErrorSamples errors(); static Samples
//     bench_samples();      static Cost cost(const Specs& x, const Specs& y, const Attrs&);
//     // optional: saved_inputs, saved_outputs, mutated_inputs (bit masks), visible_outputs,
//     shares_input
//   };
//   ITO_OP(Softsign, softsign)             // defines const OpInfo& ito::op_softsign()
#pragma once

#include <memory>
#include <utility>

#include "engine/autograd/call.h"
#include "engine/autograd/op_info.h"

namespace ito {

extern const Algebra kAlgebra;  // kernels/common/algebra.cpp

namespace detail {

template <class Op>
concept DescribesOp = requires(const Specs& specs, const Tensors& x,
                               const typename Op::Attrs& attrs) {
  { Op::name } -> std::convertible_to<std::string_view>;
  { Op::kind } -> std::convertible_to<OpKind>;
  { Op::infer(specs, attrs) } -> std::same_as<Specs>;
  { Op::reference(x, attrs) } -> std::same_as<Tensors>;
  { Op::samples() } -> std::same_as<Samples>;
  { Op::errors() } -> std::same_as<ErrorSamples>;
  { Op::bench_samples() } -> std::same_as<Samples>;
  { Op::cost(specs, specs, attrs) } -> std::same_as<Cost>;
};

template <class Op>
const typename Op::Attrs& attrs_of(const void* attrs) {
  return *static_cast<const typename Op::Attrs*>(attrs);
}

template <DescribesOp Op>
OpInfo make_op_info(GpuKernels emulated, GpuKernels cuda) {
  OpInfo info;
  info.name = Op::name;
  info.kind = Op::kind;
  info.algebra = &kAlgebra;
  info.emulated = emulated;
  info.cuda = cuda;
  info.saved = [](const void* a) {
    if constexpr (requires { Op::saved(attrs_of<Op>(a)); }) return Op::saved(attrs_of<Op>(a));
    return SavedMasks{};
  };
  if constexpr (requires { Op::mutated_inputs; }) info.mutated_inputs = Op::mutated_inputs;
  if constexpr (requires { Op::visible_outputs; }) info.visible_outputs = Op::visible_outputs;
  if constexpr (requires { Op::shares_input; }) info.shares_input = Op::shares_input;
  info.infer = [](const Specs& x, const void* a) { return Op::infer(x, attrs_of<Op>(a)); };
  info.reference = [](const Tensors& x, const void* a) {
    return Op::reference(x, attrs_of<Op>(a));
  };
  if constexpr (requires { &Op::forward; }) {
    info.forward = [](Launch& launch, const Tensors& x, const Tensors& y, const void* a) {
      Op::forward(launch, x, y, attrs_of<Op>(a));
    };
  }
  if constexpr (requires { &Op::backward; }) {
    info.backward = [](Launch& launch, const Tensors& gy, const Tensors& x, const Tensors& y,
                       const Tensors& gx,
                       const void* a) { Op::backward(launch, gy, x, y, gx, attrs_of<Op>(a)); };
  }
  if constexpr (requires { &Op::gradient; }) {
    info.gradient = [](const GradCall& g, const void* a) {
      return Op::gradient(g, attrs_of<Op>(a));
    };
  }
  static_assert(
      Op::kind != OpKind::primitive || requires { &Op::gradient; },
      "a primitive needs a gradient rule");
  static_assert(
      Op::kind != OpKind::primitive || requires { &Op::forward; } || requires { Op::shares_input; },
      "a primitive needs a CPU kernel");
  info.samples = &Op::samples;
  info.errors = &Op::errors;
  info.bench_samples = &Op::bench_samples;
  info.cost = [](const Specs& x, const Specs& y, const void* a) {
    return Op::cost(x, y, attrs_of<Op>(a));
  };
  return info;
}

}  // namespace detail

// Helpers for samples().

template <class Attrs>
AnyAttrs attrs(Attrs value) {
  return std::make_shared<const Attrs>(std::move(value));
}
inline InputInit normal(Shape shape, double mean = 0, double std = 1) {
  return {.kind = InputInit::Kind::normal, .shape = shape, .a = mean, .b = std};
}
inline InputInit uniform(Shape shape, double low, double high) {
  return {.kind = InputInit::Kind::uniform, .shape = shape, .a = low, .b = high};
}
/// Integers in [0, count) as i64, for indices. Not differentiable.
inline InputInit integers(Shape shape, int64_t count) {
  return {.kind = InputInit::Kind::integers,
          .shape = shape,
          .a = 0,
          .b = static_cast<double>(count),
          .differentiable = false,
          .fixed_dtype = true,
          .dtype = DType::i64};
}
inline InputInit values(Shape shape, std::vector<double> list) {
  return {.kind = InputInit::Kind::values, .shape = shape, .list = std::move(list)};
}
inline InputInit absent() { return {.kind = InputInit::Kind::absent, .shape = Shape{0}}; }
/// The same input, kept out of the gradient checks.
inline InputInit constant(InputInit init) {
  init.differentiable = false;
  return init;
}
/// The same input, always of this dtype. Not differentiable.
inline InputInit as(InputInit init, DType dtype) {
  init.fixed_dtype = true;
  init.dtype = dtype;
  init.differentiable = false;
  return init;
}

}  // namespace ito

#if defined(ITO_OP_EMULATED)
#define ITO_EMULATED_KERNELS(folder) ::ito::emulated::folder##_kernels()
#define ITO_DECLARE_EMULATED(folder) \
  namespace ito::emulated {          \
  GpuKernels folder##_kernels();     \
  }
#else
#define ITO_EMULATED_KERNELS(folder) \
  ::ito::GpuKernels {}
#define ITO_DECLARE_EMULATED(folder)
#endif

#if defined(ITO_OP_CUDA)
#define ITO_CUDA_KERNELS(folder) ::ito::cuda::folder##_kernels()
#define ITO_DECLARE_CUDA(folder) \
  namespace ito::cuda {          \
  GpuKernels folder##_kernels(); \
  }
#else
#define ITO_CUDA_KERNELS(folder) \
  ::ito::GpuKernels {}
#define ITO_DECLARE_CUDA(folder)
#endif

/// At global scope, once per folder.
#define ITO_OP(Type, folder)                                                                \
  ITO_DECLARE_EMULATED(folder)                                                              \
  ITO_DECLARE_CUDA(folder)                                                                  \
  namespace ito {                                                                           \
  const OpInfo& op_##folder() {                                                             \
    static_assert(Type::name == #folder, "an op is named after its folder");                \
    static const OpInfo info =                                                              \
        detail::make_op_info<Type>(ITO_EMULATED_KERNELS(folder), ITO_CUDA_KERNELS(folder)); \
    return info;                                                                            \
  }                                                                                         \
  }
