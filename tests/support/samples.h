// Inputs for the table-driven tests and the benchmarks, made from the samples that the ops declare.
#pragma once

#include "engine/autograd/op_info.h"

namespace ito::testing {

/// The inputs of a sample in fp64, rounded to what `dtype` can hold, so that every execution sees
/// the same numbers. Deterministic: values depend on the op, the sample and the input's position.
Tensors make_inputs(const OpInfo& op, const Sample& sample, DType dtype);

/// The same numbers as `dtype` on `device` (inputs of a fixed dtype keep it).
Tensors cast_inputs(const Tensors& inputs, const Sample& sample, DType dtype, Device device);

/// A tensor converted to another floating dtype, on the host.
Tensor converted(const Tensor& x, DType dtype);

/// Standard normal values in fp64, rounded to `dtype`; the seed picks the stream.
Tensor random_like(const Spec& spec, DType dtype, uint64_t seed);

double max_abs(const Tensor& x);  ///< of the finite elements of a host tensor
double max_difference(const Tensor& a,
                      const Tensor& b_f64);  ///< NaN if any element is unpaired NaN

}  // namespace ito::testing
