// The front door of every op: checks, allocates, chooses the kernel, records on the tape.
#pragma once

#include <memory>
#include <vector>

#include "engine/autograd/op_info.h"

namespace ito {

/// Runs `op` and returns its visible outputs. Errors name the op, the broken rule and the inputs.
Tensors call(const OpInfo& op, const Tensors& inputs, AnyAttrs attrs);

template <class Attrs>
Tensors call(const OpInfo& op, const Tensors& inputs, const Attrs& attrs) {
  return call(op, inputs, AnyAttrs(std::make_shared<const Attrs>(attrs)));
}

/// Which way an op was executed, for tests and reports.
enum class Execution { kernel, cpu_fallback, reference_fallback };
struct ExecutionCounts {
  int64_t kernel = 0;              ///< the kernel written for the device (skipped on `meta`)
  int64_t cpu_fallback = 0;        ///< emulated device: the CPU kernel
  int64_t reference_fallback = 0;  ///< the composition
};
/// Counts of forward executions of one op on one kind of device since the process started.
ExecutionCounts execution_counts(const OpInfo& op, DeviceKind kind);

namespace detail {

/// Runs forward without tape and without hiding the internal outputs.
Tensors run_forward(const OpInfo& op, const Tensors& inputs, const void* attrs);
/// First-order gradients of a fused op by its backward kernel, or by its composition where it has
/// none.
Tensors run_backward(const OpInfo& op, const Tensors& grad_out, const Tensors& inputs,
                     const Tensors& outputs, const std::vector<bool>& needs, const void* attrs);
/// Rethrows the current ito::Error with "op: ... inputs: ..." around its message.
[[noreturn]] void rethrow_with_op(const OpInfo& op, const Tensors& inputs);

}  // namespace detail

}  // namespace ito
