#include "engine/autograd/call.h"

#include <array>
#include <atomic>
#include <map>
#include <mutex>

#include "engine/autograd/autograd.h"
#include "engine/autograd/node.h"
#include "engine/cuda/emulated.h"
#include "engine/cuda/stream.h"

namespace ito {
namespace {

struct Counters {
  std::atomic<int64_t> kernel{0}, cpu_fallback{0}, reference_fallback{0};
};

/// Counters per op and kind of device. Ops live as long as the process.
Counters& counters_of(const OpInfo& op, DeviceKind kind) {
  static std::mutex mutex;
  static auto& table = *new std::map<const OpInfo*, std::array<Counters, 4>>;
  thread_local const OpInfo* last_op = nullptr;
  thread_local std::array<Counters, 4>* last = nullptr;
  if (last_op != &op) {
    const std::lock_guard lock(mutex);
    last = &table[&op];
    last_op = &op;
  }
  return (*last)[static_cast<size_t>(kind)];
}

Device common_device(const Tensors& inputs) {
  const Tensor* first = nullptr;
  for (const Tensor& t : inputs) {
    if (!t) continue;
    if (first == nullptr) first = &t;
    ITO_CHECK(t.device() == first->device(), DeviceError, "inputs are on different devices",
              kv("first", first->device()), kv("other", t.device()));
  }
  return first != nullptr ? first->device() : kCpu;
}

bool has_gpu_kernels(Device device) {
  return device.kind == DeviceKind::emulated || device.kind == DeviceKind::cuda;
}

const GpuKernels& gpu_kernels(const OpInfo& op, Device device) {
  return device.kind == DeviceKind::emulated ? op.emulated : op.cuda;
}

/// Without a rule of their own, GPU kernels are for f32 and bf16; integer inputs do not matter.
bool handled(const GpuKernels& gpu, const Specs& inputs, const void* attrs) {
  if (gpu.handles != nullptr) return gpu.handles(inputs, attrs);
  for (const Spec& s : inputs) {
    if (s.present && s.dtype == DType::f64) return false;
  }
  return true;
}

Specs specs_of(const Tensors& tensors) {
  Specs specs;
  for (const Tensor& t : tensors) specs.push_back(spec_of(t));
  return specs;
}

ForwardKernel choose_forward(const OpInfo& op, Device device, const Specs& inputs,
                             const void* attrs) {
  Counters& counters = counters_of(op, device.kind);
  if (has_gpu_kernels(device)) {
    const GpuKernels& gpu = gpu_kernels(op, device);
    if (gpu.forward != nullptr && handled(gpu, inputs, attrs)) {
      ++counters.kernel;
      return gpu.forward;
    }
  }
  if (op.forward != nullptr && device.kind != DeviceKind::cuda) {
    ++(device.kind == DeviceKind::emulated ? counters.cpu_fallback : counters.kernel);
    return op.forward;
  }
  ITO_CHECK(op.kind == OpKind::fused, DeviceError, "no kernel for this device",
            kv("device", device));
  ++counters.reference_fallback;
  return nullptr;
}

void check_mutable(const OpInfo& op, const Tensors& inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if ((op.mutated_inputs >> i & 1u) == 0 || !inputs[i]) continue;
    ITO_CHECK(!(grad_enabled() && inputs[i].requires_grad()), AutogradError,
              "an update in place of a tensor on the tape needs a NoGradScope", kv("input", i));
    inputs[i].storage()->bump_version();
  }
}

/// Runs a kernel. On the emulated device the CPU's kernel, a fallback, needs leave to touch the
/// device's memory; kernels of the device get it launch by launch. On `meta` there is nothing to
/// compute on.
template <class Kernel>
void run(Device device, bool is_fallback, const Kernel& kernel) {
  if (device.kind == DeviceKind::meta) return;
  if (is_fallback) {
    cuda::emulated::run_on_host(kernel);
  } else {
    kernel();
  }
  if (cuda::waits_after_each_op() && !cuda::is_capturing(device)) cuda::synchronize(device);
}

Tensors allocate(const Specs& specs) {
  Tensors tensors;
  for (const Spec& s : specs) {
    tensors.push_back(s.present ? Tensor::empty(s.shape, s.dtype, s.device) : Tensor());
  }
  return tensors;
}

}  // namespace

ExecutionCounts execution_counts(const OpInfo& op, DeviceKind kind) {
  const Counters& c = counters_of(op, kind);
  return {c.kernel, c.cpu_fallback, c.reference_fallback};
}

namespace detail {

Tensors run_forward(const OpInfo& op, const Tensors& inputs, const void* attrs) {
  const Device device = common_device(inputs);
  const Specs specs = specs_of(inputs);
  const Specs output_specs = op.infer(specs, attrs);
  check_mutable(op, inputs);
  if (op.shares_input) return {inputs[0].alias(output_specs[0].shape)};
  Tensors outputs = allocate(output_specs);
  if (const ForwardKernel kernel = choose_forward(op, device, specs, attrs)) {
    Launch launch(device);
    const bool is_fallback = kernel == op.forward && device.kind == DeviceKind::emulated;
    run(device, is_fallback, [&] { kernel(launch, inputs, outputs, attrs); });
    return outputs;
  }
  const NoGradScope off;
  Tensors visible = op.reference(inputs, attrs);
  visible.resize(outputs.size());
  return visible;
}

Tensors run_backward(const OpInfo& op, const Tensors& grad_out, const Tensors& inputs,
                     const Tensors& outputs, const std::vector<bool>& needs, const void* attrs) {
  const Device device = common_device(inputs);
  BackwardKernel kernel = nullptr;
  if (has_gpu_kernels(device)) {
    const GpuKernels& gpu = gpu_kernels(op, device);
    if (handled(gpu, specs_of(inputs), attrs)) kernel = gpu.backward;
  }
  if (kernel == nullptr && device.kind != DeviceKind::cuda) kernel = op.backward;
  Tensors grads(inputs.size());
  if (kernel != nullptr) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (needs[i]) grads[i] = Tensor::empty(inputs[i].shape(), inputs[i].dtype(), device);
    }
    Launch launch(device);
    const bool is_fallback = kernel == op.backward && device.kind == DeviceKind::emulated;
    run(device, is_fallback, [&] { kernel(launch, grad_out, inputs, outputs, grads, attrs); });
    return grads;
  }
  // No backward kernel: differentiate the composition, on leaves that share the inputs' data.
  const GradScope recording;
  Tensors leaves, wrt, ys, seeds;
  for (size_t i = 0; i < inputs.size(); ++i) {
    leaves.push_back(inputs[i] ? inputs[i].detach() : Tensor());
    if (needs[i]) wrt.push_back(leaves[i].set_requires_grad());
  }
  const Tensors again = op.reference(leaves, attrs);
  for (size_t i = 0; i < grad_out.size() && i < again.size(); ++i) {
    if (!grad_out[i] || !again[i].requires_grad()) continue;
    ys.push_back(again[i]);
    seeds.push_back(grad_out[i]);
  }
  const Tensors found = grad(ys, wrt, {.seeds = seeds, .allow_unused = true});
  for (size_t i = 0, j = 0; i < inputs.size(); ++i) {
    if (needs[i]) grads[i] = found[j++];
  }
  return grads;
}

void rethrow_with_op(const OpInfo& op, const Tensors& inputs) {
  const auto text = [&](const Error& e) {
    std::string message(op.name);
    message.append(": ").append(e.what()).append("; inputs: ");
    for (size_t i = 0; i < inputs.size(); ++i) {
      message.append(i == 0 ? "" : ", ").append(describe(inputs[i]));
    }
    return message;
  };
  try {
    throw;
  } catch (const UserError& e) {
    const std::string fact = std::string(op.name).append(": ").append(e.fact());
    throw UserError(e.code(), e.subject(), fact, e.fix());
  } catch (const ShapeError& e) {
    throw ShapeError(text(e));
  } catch (const DTypeError& e) {
    throw DTypeError(text(e));
  } catch (const DeviceError& e) {
    throw DeviceError(text(e));
  } catch (const AutogradError& e) {
    throw AutogradError(text(e));
  } catch (const ValueError& e) {
    throw ValueError(text(e));
  } catch (const InternalError& e) {
    throw InternalError(text(e));
  } catch (const Error& e) {
    throw Error(text(e));
  }
}

}  // namespace detail

namespace {

bool wants_node(const OpInfo& op, const Tensors& inputs) {
  if (op.kind == OpKind::constant || !grad_enabled()) return false;
  for (const Tensor& t : inputs) {
    if (t && t.requires_grad()) return true;
  }
  return false;
}

}  // namespace

Tensors call(const OpInfo& op, const Tensors& inputs, AnyAttrs attrs) {
  try {
    Tensors outputs = detail::run_forward(op, inputs, attrs.get());
    if (wants_node(op, inputs)) {
      const auto node = std::make_shared<Node>(op, inputs, outputs, std::move(attrs));
      for (int i = 0; i < op.visible_outputs; ++i) {
        Tensor& y = outputs[static_cast<size_t>(i)];
        if (!is_floating(y.dtype())) continue;
        y.impl()->node = node;
        y.impl()->slot = i;
        y.impl()->requires_grad = true;
      }
    }
    outputs.resize(static_cast<size_t>(op.visible_outputs));
    return outputs;
  } catch (const Error&) {
    detail::rethrow_with_op(op, inputs);
  }
}

}  // namespace ito
