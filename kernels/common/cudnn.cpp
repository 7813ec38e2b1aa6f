#include "kernels/common/cudnn.h"

#include "kernels/common/library.h"

#if defined(ITO_HAVE_CUDA) && __has_include(<cudnn.h>)
#include <cudnn.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>
#include <vector>

#include "engine/io/plan_cache.h"

namespace ito {
namespace {

using Direction = ConvolutionCall::Direction;

constexpr int64_t kWorkspaceLimit = 64 << 20;

struct Library : SharedLibrary {
  decltype(cudnnGetVersion)* version;
  decltype(cudnnGetErrorString)* error_text;
  decltype(cudnnCreate)* create;
  decltype(cudnnSetStream)* set_stream;
  decltype(cudnnCreateTensorDescriptor)* create_tensor;
  decltype(cudnnSetTensor4dDescriptor)* set_tensor;
  decltype(cudnnCreateFilterDescriptor)* create_filter;
  decltype(cudnnSetFilter4dDescriptor)* set_filter;
  decltype(cudnnCreateConvolutionDescriptor)* create_convolution;
  decltype(cudnnSetConvolution2dDescriptor)* set_convolution;
  decltype(cudnnSetConvolutionMathType)* set_math;
  decltype(cudnnCreateActivationDescriptor)* create_activation;
  decltype(cudnnSetActivationDescriptor)* set_activation;
  decltype(cudnnFindConvolutionForwardAlgorithmEx)* find_forward;
  decltype(cudnnFindConvolutionBackwardDataAlgorithmEx)* find_dx;
  decltype(cudnnFindConvolutionBackwardFilterAlgorithmEx)* find_dw;
  decltype(cudnnConvolutionForward)* forward;
  decltype(cudnnConvolutionBiasActivationForward)* forward_bias;
  decltype(cudnnConvolutionBackwardData)* dx;
  decltype(cudnnConvolutionBackwardFilter)* dw;

  Library() : SharedLibrary("ITO_CUDNN_LIBRARY", {"libcudnn.so.9"}) {
    take(version, "cudnnGetVersion");
    take(error_text, "cudnnGetErrorString");
    take(create, "cudnnCreate");
    take(set_stream, "cudnnSetStream");
    take(create_tensor, "cudnnCreateTensorDescriptor");
    take(set_tensor, "cudnnSetTensor4dDescriptor");
    take(create_filter, "cudnnCreateFilterDescriptor");
    take(set_filter, "cudnnSetFilter4dDescriptor");
    take(create_convolution, "cudnnCreateConvolutionDescriptor");
    take(set_convolution, "cudnnSetConvolution2dDescriptor");
    take(set_math, "cudnnSetConvolutionMathType");
    take(create_activation, "cudnnCreateActivationDescriptor");
    take(set_activation, "cudnnSetActivationDescriptor");
    take(find_forward, "cudnnFindConvolutionForwardAlgorithmEx");
    take(find_dx, "cudnnFindConvolutionBackwardDataAlgorithmEx");
    take(find_dw, "cudnnFindConvolutionBackwardFilterAlgorithmEx");
    take(forward, "cudnnConvolutionForward");
    take(forward_bias, "cudnnConvolutionBiasActivationForward");
    take(dx, "cudnnConvolutionBackwardData");
    take(dw, "cudnnConvolutionBackwardFilter");
    if (usable()) check_version(static_cast<int>(version()));
    if (!usable()) record_missing_library("conv2d, conv2d_dx, conv2d_dw", "cuDNN", problem());
  }

  void check_version(int number) {
    if (number / 10000 == CUDNN_MAJOR) return;
    reject(file() + " is version " + std::to_string(number) + ", this program takes version " +
           std::to_string(CUDNN_MAJOR));
  }
};

const Library& library() {
  static const Library instance;
  return instance;
}

/// The first status of a sequence of calls that is not success.
struct Sequence {
  cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
  template <class F>
  void then(F&& call) {
    if (status == CUDNN_STATUS_SUCCESS) status = call();
  }
};

/// What one shape needs to be started. Kept for the life of the process.
struct Plan {
  bool usable = false;
  cudnnHandle_t handle = nullptr;
  cudnnTensorDescriptor_t x = nullptr, y = nullptr, bias = nullptr;
  cudnnFilterDescriptor_t w = nullptr;
  cudnnConvolutionDescriptor_t convolution = nullptr;
  cudnnActivationDescriptor_t identity = nullptr;
  AlgorithmPlan chosen;
};

std::string text_of(const ConvolutionCall& c) {
  const Conv2dParams& p = c.p;
  const char* names[] = {"conv2d", "conv2d_dx", "conv2d_dw"};
  std::string text = names[static_cast<int>(c.direction)];
  text += " " + std::string(name_of(c.x.dtype()));
  for (const auto& [name, value] : {std::pair{" n", p.n},
                                    {" h", p.h},
                                    {" w", p.w},
                                    {" ci", p.ci},
                                    {" co", p.co},
                                    {" kh", p.kh},
                                    {" kw", p.kw},
                                    {" stride", p.stride},
                                    {" dilation", p.dilation},
                                    {" top", p.pad_top},
                                    {" left", p.pad_left},
                                    {" bottom", p.pad_bottom},
                                    {" right", p.pad_right}}) {
    text += name + std::to_string(value);
  }
  return text + (c.has_bias() ? " + bias" : "");
}

/// cuDNN pads both sides alike; an output that the lower side does not reach is the same there.
bool same_padding_serves(const Conv2dParams& p) {
  const auto size = [&](int64_t in, int64_t pad, int64_t taps) {
    return (in + 2 * pad - p.dilation * (taps - 1) - 1) / p.stride + 1;
  };
  return size(p.h, p.pad_top, p.kh) == p.ho && size(p.w, p.pad_left, p.kw) == p.wo;
}

/// f32 stays fp32: CUDNN_DEFAULT_MATH would round it to TF32. bf16 has tensor cores by default.
cudnnMathType_t math_of(DType dtype) {
  return dtype == DType::f32 ? CUDNN_FMA_MATH : CUDNN_DEFAULT_MATH;
}

void describe(Sequence& steps, Plan& plan, const ConvolutionCall& c) {
  const Library& lib = library();
  const Conv2dParams& p = c.p;
  const auto type = c.x.dtype() == DType::f32 ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16;
  const auto number = [](int64_t value) { return static_cast<int>(value); };
  const auto tensor = [&](cudnnTensorDescriptor_t& desc, int64_t n, int64_t h, int64_t w,
                          int64_t channels) {
    steps.then([&] { return lib.create_tensor(&desc); });
    steps.then([&] {
      return lib.set_tensor(desc, CUDNN_TENSOR_NHWC, type, number(n), number(channels), number(h),
                            number(w));
    });
  };
  tensor(plan.x, p.n, p.h, p.w, p.ci);
  tensor(plan.y, p.n, p.ho, p.wo, p.co);
  steps.then([&] { return lib.create_filter(&plan.w); });
  steps.then([&] {
    return lib.set_filter(plan.w, type, CUDNN_TENSOR_NHWC, number(p.co), number(p.ci), number(p.kh),
                          number(p.kw));
  });
  steps.then([&] { return lib.create_convolution(&plan.convolution); });
  steps.then([&] {
    return lib.set_convolution(plan.convolution, number(p.pad_top), number(p.pad_left),
                               number(p.stride), number(p.stride), number(p.dilation),
                               number(p.dilation), CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT);
  });
  steps.then([&] { return lib.set_math(plan.convolution, math_of(c.x.dtype())); });
  if (!c.has_bias()) return;
  tensor(plan.bias, 1, 1, 1, p.co);
  steps.then([&] { return lib.create_activation(&plan.identity); });
  steps.then([&] {
    return lib.set_activation(plan.identity, CUDNN_ACTIVATION_IDENTITY, CUDNN_PROPAGATE_NAN, 0);
  });
}

/// Implicit products alone: deterministic, and without the rounding errors of transforms. With an
/// identity activation cuDNN adds the bias in one of them only.
bool allowed(const ConvolutionCall& c, int algorithm) {
  if (c.direction == Direction::dx) return algorithm == CUDNN_CONVOLUTION_BWD_DATA_ALGO_1;
  if (c.direction == Direction::dw) return algorithm == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1;
  return algorithm == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM ||
         (!c.has_bias() && algorithm == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM);
}

/// The fastest of the results that is allowed; they come sorted by time.
template <class Perf>
bool choose(const ConvolutionCall& c, const std::vector<Perf>& results, int count,
            AlgorithmPlan& chosen) {
  for (int i = 0; i < count; ++i) {
    const Perf& r = results[static_cast<size_t>(i)];
    const bool exact = c.x.dtype() != DType::f32 || r.mathType == CUDNN_FMA_MATH;
    if (r.status != CUDNN_STATUS_SUCCESS || r.determinism != CUDNN_DETERMINISTIC || !exact) {
      continue;
    }
    if (!allowed(c, r.algo) || r.memory > static_cast<size_t>(kWorkspaceLimit)) continue;
    chosen = {r.algo, static_cast<int64_t>(r.memory)};
    return true;
  }
  return false;
}

/// Runs the algorithms on the arrays of the call, whose result the call itself overwrites.
bool search(Sequence& steps, Launch& launch, const Plan& plan, const ConvolutionCall& c,
            AlgorithmPlan& chosen) {
  const Library& lib = library();
  constexpr int kMost = 16;
  const size_t bytes = kWorkspaceLimit;
  void* workspace = launch.scratch<uint8_t>(kWorkspaceLimit);
  int count = 0;
  const auto best_of = [&]<class Perf>(auto&& find) {
    std::vector<Perf> results(kMost);
    steps.then([&] { return find(results.data()); });
    return steps.status == CUDNN_STATUS_SUCCESS && choose(c, results, count, chosen);
  };
  if (c.direction == Direction::forward) {
    return best_of.template operator()<cudnnConvolutionFwdAlgoPerf_t>([&](auto* results) {
      return lib.find_forward(plan.handle, plan.x, c.x.raw(), plan.w, c.w.raw(), plan.convolution,
                              plan.y, c.y.raw(), kMost, &count, results, workspace, bytes);
    });
  }
  if (c.direction == Direction::dx) {
    return best_of.template operator()<cudnnConvolutionBwdDataAlgoPerf_t>([&](auto* results) {
      return lib.find_dx(plan.handle, plan.w, c.w.raw(), plan.y, c.y.raw(), plan.convolution,
                         plan.x, c.x.raw(), kMost, &count, results, workspace, bytes);
    });
  }
  return best_of.template operator()<cudnnConvolutionBwdFilterAlgoPerf_t>([&](auto* results) {
    return lib.find_dw(plan.handle, plan.x, c.x.raw(), plan.y, c.y.raw(), plan.convolution, plan.w,
                       c.w.raw(), kMost, &count, results, workspace, bytes);
  });
}

cudnnStatus_t run(const Plan& plan, const ConvolutionCall& c, void* workspace) {
  const Library& lib = library();
  const float one = 1, zero = 0;
  const auto bytes = static_cast<size_t>(plan.chosen.workspace);
  const int algorithm = plan.chosen.algorithm;
  if (c.direction == Direction::dx) {
    return lib.dx(plan.handle, &one, plan.w, c.w.raw(), plan.y, c.y.raw(), plan.convolution,
                  static_cast<cudnnConvolutionBwdDataAlgo_t>(algorithm), workspace, bytes, &zero,
                  plan.x, c.x.raw());
  }
  if (c.direction == Direction::dw) {
    return lib.dw(plan.handle, &one, plan.x, c.x.raw(), plan.y, c.y.raw(), plan.convolution,
                  static_cast<cudnnConvolutionBwdFilterAlgo_t>(algorithm), workspace, bytes, &zero,
                  plan.w, c.w.raw());
  }
  const auto forward = static_cast<cudnnConvolutionFwdAlgo_t>(algorithm);
  if (!c.has_bias()) {
    return lib.forward(plan.handle, &one, plan.x, c.x.raw(), plan.w, c.w.raw(), plan.convolution,
                       forward, workspace, bytes, &zero, plan.y, c.y.raw());
  }
  return lib.forward_bias(plan.handle, &one, plan.x, c.x.raw(), plan.w, c.w.raw(), plan.convolution,
                          forward, workspace, bytes, &zero, plan.y, c.y.raw(), plan.bias,
                          c.bias->raw(), plan.identity, plan.y, c.y.raw());
}

PlanCache& plan_cache() {
  static auto* cache = [] {
    const std::filesystem::path folder = cache_folder();
    return new PlanCache(folder.empty() ? folder : folder / "cudnn_plans.txt",
                         "cudnn " + std::to_string(library().version()));
  }();
  return *cache;
}

cudnnHandle_t handle_of(Device device, Sequence& steps) {
  static std::map<int, cudnnHandle_t> handles;
  cudnnHandle_t& handle = handles[device.index];
  if (handle == nullptr) steps.then([&] { return library().create(&handle); });
  return handle;
}

/// A plan from the file that the call itself could not have chosen is not used.
bool known_plan(const std::string& key, const ConvolutionCall& c, AlgorithmPlan& chosen) {
  const std::optional<AlgorithmPlan> kept = plan_cache().find(key);
  if (!kept || !allowed(c, kept->algorithm) || kept->workspace > kWorkspaceLimit) return false;
  chosen = *kept;
  return true;
}

Plan make_plan(Launch& launch, const ConvolutionCall& c, const std::string& text) {
  Plan plan;
  if (!same_padding_serves(c.p)) {
    record_kernel_choice({text, "own", "cuDNN pads both sides alike"});
    return plan;
  }
  Sequence steps;
  plan.handle = handle_of(launch.device(), steps);
  steps.then([&] { return library().set_stream(plan.handle, launch.stream()); });
  describe(steps, plan, c);
  const std::string key = device_name_of(launch.device()) + " " + text;
  const char* origin = "from the plan cache";
  bool found = steps.status == CUDNN_STATUS_SUCCESS && known_plan(key, c, plan.chosen);
  if (!found && steps.status == CUDNN_STATUS_SUCCESS) {
    origin = "the fastest of a search";
    found = search(steps, launch, plan, c, plan.chosen);
    if (found) plan_cache().add(key, plan.chosen);
  }
  plan.usable = found;
  if (plan.usable) {
    record_kernel_choice(
        {text, "cuDNN", "algorithm " + std::to_string(plan.chosen.algorithm) + ", " + origin});
  } else {
    record_kernel_choice({text, "own",
                          steps.status == CUDNN_STATUS_SUCCESS
                              ? std::string("cuDNN has no exact algorithm for it")
                              : std::string("cuDNN: ") + library().error_text(steps.status)});
  }
  return plan;
}

/// Everything that a plan depends on.
using Key = std::tuple<int, Direction, DType, bool, Conv2dParams::Sizes>;
Key key_of(Device device, const ConvolutionCall& c) {
  return {device.index, c.direction, c.x.dtype(), c.has_bias(), c.p.sizes()};
}

bool takes(const ConvolutionCall& c) {
  const DType dtype = c.x.dtype();
  return (dtype == DType::f32 || dtype == DType::bf16) && c.x.numel() > 0 && c.w.numel() > 0 &&
         c.y.numel() > 0;
}

}  // namespace

bool cudnn_convolution(Launch& launch, const ConvolutionCall& call) {
  if (!libraries_allowed(launch.device()) || !library().usable() || !takes(call)) return false;
  static std::mutex mutex;
  static auto* plans = new std::map<Key, Plan>;  // never destroyed: the library may be gone first
  const std::lock_guard lock(mutex);
  const Key key = key_of(launch.device(), call);
  auto found = plans->find(key);
  if (found == plans->end()) {
    if (launch.capturing()) return false;
    found = plans->emplace(key, make_plan(launch, call, text_of(call))).first;
  }
  Plan& plan = found->second;
  if (!plan.usable) return false;
  Sequence steps;
  steps.then([&] { return library().set_stream(plan.handle, launch.stream()); });
  void* workspace =
      plan.chosen.workspace > 0 ? launch.scratch<uint8_t>(plan.chosen.workspace) : nullptr;
  steps.then([&] { return run(plan, call, workspace); });
  if (steps.status == CUDNN_STATUS_SUCCESS) return true;
  plan.usable = false;
  record_kernel_choice(
      {text_of(call), "own", std::string("cuDNN failed: ") + library().error_text(steps.status)});
  return false;
}

LibraryState cudnn_state() {
  if (!library().usable()) return {false, library().problem()};
  return state_of(library(), static_cast<int>(library().version()));
}

}  // namespace ito

#else

namespace ito {

bool cudnn_convolution(Launch&, const ConvolutionCall&) { return false; }

LibraryState cudnn_state() { return {false, "this build has no CUDA"}; }

}  // namespace ito

#endif
