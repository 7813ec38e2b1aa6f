// The checks that every op of the table passes on every sample. Each returns an empty text, or what
// went wrong.
#pragma once

#include <string>

#include "engine/autograd/op_info.h"

namespace ito::testing {

/// One cell of the table: an op, a sample, a dtype, a device.
struct Cell {
  const OpInfo& op;
  const Sample& sample;
  DType dtype;
  Device device;
  double* worst = nullptr;  ///< if given: raised to the largest error over its limit
};

/// |kernel - y64| <= tolerance * (2 |plain - y64| + 4 eps max|y64|), where y64 is the reference in
/// fp64 and plain the reference in the cell's dtype.
std::string check_forward(const Cell& cell);
/// The same rule for the first derivatives; the oracle is autograd through the reference in fp64.
std::string check_gradient(const Cell& cell);
/// fp64: the first derivatives against central differences of the forward kernel.
std::string check_gradient_by_differences(const Cell& cell);
/// fp64: derivatives of the first derivatives, against central differences of these.
std::string check_second_gradient_by_differences(const Cell& cell);
/// Two runs, and runs with 1, 2 and 3 threads, give the same bits, forward and backward.
std::string check_determinism(const Cell& cell);
/// Ops that draw noise or update state give the same bits on every device.
std::string check_bits_of_cpu(const Cell& cell);
/// A bad input throws an ito::Error whose message holds the op's name and the fragment.
std::string check_error(const OpInfo& op, const ErrorSample& error, Device device);

}  // namespace ito::testing
