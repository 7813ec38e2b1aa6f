// OpInfo: what the machinery knows of an op. One per folder of kernels/, made by ITO_OP
// (kernels/common/define_op.h) from a struct of statics; op_table() lists them all.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/tensor.h"

struct CUstream_st;  // the type behind cudaStream_t

namespace ito {

/// Shape, dtype and device of an input or output; `present` is false for an absent optional input.
struct Spec {
  Shape shape;
  DType dtype = DType::f32;
  Device device;
  bool present = true;
};
using Specs = std::vector<Spec>;
Spec spec_of(const Tensor& tensor);

/// Attributes of an op, type-erased. The op's functions know the type.
using AnyAttrs = std::shared_ptr<const void>;

/// What a kernel may use while it runs: the stream to work on, and scratch memory that lasts until
/// the launch ends (on a GPU: until the work on the stream that comes before its next use is done).
class Launch {
 public:
  explicit Launch(Device device) : device_(device) {}
  Device device() const { return device_; }
  CUstream_st* stream() const;  ///< the device's current stream; null on the CPU
  bool capturing() const;       ///< whether the stream is recording a graph: search for nothing now
  /// `count` uninitialised elements on the device, 64-byte aligned.
  template <class T>
  T* scratch(int64_t count) {
    return static_cast<T*>(scratch_bytes(static_cast<size_t>(count) * sizeof(T)));
  }

 private:
  void* scratch_bytes(size_t bytes);

  Device device_;
  std::deque<std::shared_ptr<Storage>> scratch_;
};

/// Arguments of a primitive's gradient rule. Inputs and outputs that the op does not save are
/// undefined here; their specs are always there.
struct GradCall {
  const Tensors& grad_out;  ///< one per output; undefined where nothing flows back
  const Tensors& inputs;
  const Tensors& outputs;
  const Specs& input_specs;
  const std::vector<bool>& needs;  ///< which inputs want a gradient
};

using ForwardKernel = void (*)(Launch&, const Tensors& inputs, const Tensors& outputs,
                               const void* attrs);
/// Writes grad_in[i] where it is defined. `saved` holds inputs, then outputs.
using BackwardKernel = void (*)(Launch&, const Tensors& grad_out, const Tensors& inputs,
                                const Tensors& outputs, const Tensors& grad_in, const void* attrs);

struct GpuKernels {
  ForwardKernel forward = nullptr;
  BackwardKernel backward = nullptr;
  /// Whether the kernels take these inputs; where they do not, the op falls back. Null: they take
  /// everything but f64. Inputs that the tape did not keep are not present in a backward pass.
  bool (*handles)(const Specs& inputs, const void* attrs) = nullptr;
};

/// How an input of a sample is made (always in fp64 first, then rounded to the dtype under test).
struct InputInit {
  enum class Kind { normal, uniform, integers, values, absent };
  Kind kind = Kind::normal;
  Shape shape;
  double a = 0, b = 1;       ///< mean and std, or range [a, b)
  std::vector<double> list;  ///< Kind::values
  bool differentiable = true;
  bool fixed_dtype = false;  ///< keeps `dtype` whatever dtype is under test
  DType dtype = DType::f32;
};

struct Sample {
  std::string id;  ///< unique in the op; part of the test's name
  std::vector<InputInit> inputs;
  AnyAttrs attrs;
  bool gradients = true;   ///< check first and second derivatives on this sample
  double tolerance = 1.0;  ///< factor on the error rule's limit, with a reason beside it
};
using Samples = std::vector<Sample>;

struct ErrorSample {
  Sample sample;
  std::string fragment;  ///< text that the message must contain
  /// The error shows in the values of device memory, where the host cannot look without waiting: a
  /// GPU kernel writes NaN instead.
  bool by_value = false;
};
using ErrorSamples = std::vector<ErrorSample>;

struct Cost {
  double bytes = 0;  ///< least bytes moved: every input read once, every output written once
  double flops = 0;
};

/// What the tape itself needs of ops, supplied by kernels/.
struct Algebra {
  Tensor (*identity)(const Tensor&);  ///< the same data behind a node of its own
  Tensor (*add)(const Tensor&, const Tensor&);
  Tensor (*sum_to)(const Tensor&, const Shape&);                  ///< adjoint of broadcasting
  void (*accumulate)(const Tensor& target, const Tensor& value);  ///< target += value, off the tape
};

enum class OpKind : uint8_t {
  primitive,  ///< its gradient rule is written with other ops: differentiable any number of times
  fused,      ///< has a composition of primitives (reference) and, perhaps, a backward kernel
  constant,   ///< no gradient (noise, updates)
};

/// What the tape keeps for the gradient: bit i stands for input or output i; what comes after the
/// 64th is kept.
struct SavedMasks {
  uint64_t inputs = ~uint64_t{0};
  uint64_t outputs = 0;
  static bool has(uint64_t mask, size_t i) { return i >= 64 || (mask >> i & 1u) != 0; }
};

struct OpInfo {
  std::string_view name;
  OpKind kind = OpKind::primitive;
  uint32_t mutated_inputs = 0;  ///< bit i: input i is updated in place
  bool shares_input = false;  ///< the output is input 0's data under another shape; no kernel runs
  int visible_outputs = 1;    ///< further outputs exist for the backward kernel only
  const Algebra* algebra = nullptr;

  Specs (*infer)(const Specs&, const void* attrs) = nullptr;
  SavedMasks (*saved)(const void* attrs) = nullptr;
  ForwardKernel forward = nullptr;                                    ///< CPU
  BackwardKernel backward = nullptr;                                  ///< CPU, fused ops
  Tensors (*gradient)(const GradCall&, const void* attrs) = nullptr;  ///< primitives
  /// fused: a composition of primitives. primitive and constant: the plainest loop that defines the
  /// op, in fp64. For ops that mutate inputs it returns the values these take, then the outputs.
  Tensors (*reference)(const Tensors&, const void* attrs) = nullptr;
  GpuKernels emulated;
  GpuKernels cuda;

  Samples (*samples)() = nullptr;
  ErrorSamples (*errors)() = nullptr;
  Samples (*bench_samples)() = nullptr;
  Cost (*cost)(const Specs& inputs, const Specs& outputs, const void* attrs) = nullptr;
};

}  // namespace ito
