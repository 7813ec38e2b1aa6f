// The Runtime of a real GPU. The CUDA runtime library is linked statically and finds the driver
// when it is first called, so that the program starts on a machine that has none.
#include <cuda_runtime_api.h>

#include <array>
#include <cstring>
#include <mutex>
#include <vector>

#include "engine/core/check.h"
#include "engine/cuda/runtime.h"
#include "engine/cuda/status.h"

namespace ito::cuda {
namespace {

Status status_of(cudaError_t error) {
  return {static_cast<int>(error), error == cudaSuccess ? "" : cudaGetErrorString(error)};
}

/// Signatures of the driver's fills (cuda.h), which the runtime library has for bytes only.
struct DriverFills {
  using Fill16 = int (*)(unsigned long long to, unsigned short value, size_t count, cudaStream_t);
  using Fill32 = int (*)(unsigned long long to, unsigned value, size_t count, cudaStream_t);
  using Fill32Strided = int (*)(unsigned long long to, size_t pitch, unsigned value, size_t width,
                                size_t height, cudaStream_t);
  Fill16 fill16 = nullptr;
  Fill32 fill32 = nullptr;
  Fill32Strided fill32_strided = nullptr;
};

template <class F>
void find_in_driver(const char* name, F& function, Device device) {
  void* address = nullptr;
  cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSuccess;
  check(status_of(cudaGetDriverEntryPointByVersion(name, &address, CUDART_VERSION,
                                                   cudaEnableDefault, &result)),
        device);
  ITO_CHECK(result == cudaDriverEntryPointSuccess, DeviceError, "the driver lacks a function",
            kv("name", name));
  function = reinterpret_cast<F>(address);
}

class CudaRecording final : public Recording {
 public:
  CudaRecording(cudaGraph_t graph, Device device) : graph_(graph), device_(device) {}
  ~CudaRecording() override {
    if (executable_ != nullptr) cudaGraphExecDestroy(executable_);
    if (graph_ != nullptr) cudaGraphDestroy(graph_);
  }

  void replay(Stream stream) override {
    if (executable_ == nullptr) {
      check(status_of(cudaGraphInstantiate(&executable_, graph_, 0)), device_);
    }
    check(status_of(cudaGraphLaunch(executable_, stream)), device_);
  }

  bool update(const Recording& newer) override {
    if (executable_ == nullptr) return false;
    cudaGraphExecUpdateResultInfo info{};
    const auto& other = static_cast<const CudaRecording&>(newer);
    if (cudaGraphExecUpdate(executable_, other.graph_, &info) == cudaSuccess) return true;
    cudaGetLastError();  // a refusal is an answer, not a failure
    return false;
  }

  int64_t nodes() const override {
    size_t count = 0;
    check(status_of(cudaGraphGetNodes(graph_, nullptr, &count)), device_);
    return static_cast<int64_t>(count);
  }

 private:
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
  const Device device_;
};

class CudaRuntime final : public Runtime {
 public:
  CudaRuntime(int index, int cuda_index)
      : device_{DeviceKind::cuda, static_cast<int8_t>(index)}, cuda_index_(cuda_index) {
    use();
    check_status(cudaStreamCreateWithFlags(&main_, cudaStreamNonBlocking));
    find_in_driver("cuMemsetD16Async", fills_.fill16, device_);
    find_in_driver("cuMemsetD32Async", fills_.fill32, device_);
    find_in_driver("cuMemsetD2D32Async", fills_.fill32_strided, device_);
  }

  DeviceInfo info() override {
    use();
    cudaDeviceProp properties{};
    check_status(cudaGetDeviceProperties(&properties, cuda_index_));
    size_t free_bytes = 0, total = 0;
    check_status(cudaMemGetInfo(&free_bytes, &total));
    return {.name = properties.name,
            .compute_capability = properties.major * 10 + properties.minor,
            .multiprocessors = properties.multiProcessorCount,
            .total_bytes = static_cast<int64_t>(total),
            .free_bytes = static_cast<int64_t>(free_bytes)};
  }

  void* allocate(size_t bytes) override {
    use();
    // A graph's first recording may meet an empty pool; its memory is no part of the recording.
    cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
    check_status(cudaThreadExchangeStreamCaptureMode(&mode));
    void* p = nullptr;
    const cudaError_t error = cudaMalloc(&p, bytes);
    check_status(cudaThreadExchangeStreamCaptureMode(&mode));
    if (error == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      return nullptr;
    }
    check_status(error);
    return p;
  }
  void release(void* p) noexcept override { cudaFree(p); }
  void* allocate_pinned(size_t bytes) override {
    use();
    void* p = nullptr;
    check_status(cudaHostAlloc(&p, bytes, cudaHostAllocDefault));
    return p;
  }
  void release_pinned(void* p) noexcept override { cudaFreeHost(p); }

  Stream main_stream() override {
    use();
    return main_;
  }
  Stream create_stream() override {
    use();
    cudaStream_t stream = nullptr;
    check_status(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    return stream;
  }
  void destroy_stream(Stream stream) noexcept override { cudaStreamDestroy(stream); }
  void synchronize(Stream stream) override { check_status(cudaStreamSynchronize(stream)); }

  EventHandle create_event() override {
    use();
    cudaEvent_t event = nullptr;
    check_status(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    return event;
  }
  void destroy_event(EventHandle event) noexcept override { cudaEventDestroy(event); }
  void record(EventHandle event, Stream stream) override {
    check_status(cudaEventRecord(event, stream));
  }
  void wait(Stream stream, EventHandle event) override {
    check_status(cudaStreamWaitEvent(stream, event, 0));
  }
  void synchronize(EventHandle event) override { check_status(cudaEventSynchronize(event)); }

  void copy(void* to, const void* from, size_t bytes, CopyKind kind, Stream stream) override {
    static constexpr std::array kKinds{cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost,
                                       cudaMemcpyDeviceToDevice};
    check_status(cudaMemcpyAsync(to, from, bytes, kKinds[static_cast<size_t>(kind)], stream));
  }

  void fill(void* to, const void* value, size_t width, size_t count, Stream stream) override {
    const auto address = reinterpret_cast<unsigned long long>(to);
    std::array<unsigned, 2> words{};
    std::memcpy(words.data(), value, width);
    if (width == 1) {
      return check_status(cudaMemsetAsync(to, static_cast<int>(words[0]), count, stream));
    }
    if (width == 2) {
      return check_driver(
          fills_.fill16(address, static_cast<unsigned short>(words[0]), count, stream));
    }
    if (width == 4 || words[0] == words[1]) {
      return check_driver(fills_.fill32(address, words[0], count * width / 4, stream));
    }
    for (size_t half = 0; half < 2; ++half) {  // columns of a two-column matrix
      check_driver(fills_.fill32_strided(address + 4 * half, 8, words[half], 1, count, stream));
    }
  }

  void begin_capture(Stream stream) override {
    check_status(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  }
  std::unique_ptr<Recording> end_capture(Stream stream) override {
    cudaGraph_t graph = nullptr;
    const cudaError_t error = cudaStreamEndCapture(stream, &graph);
    if (error != cudaSuccess) cudaGetLastError();
    check_status(error);
    return std::make_unique<CudaRecording>(graph, device_);
  }
  void abandon_capture(Stream stream) noexcept override {
    cudaGraph_t graph = nullptr;
    cudaStreamEndCapture(stream, &graph);
    if (graph != nullptr) cudaGraphDestroy(graph);
    cudaGetLastError();
  }

 private:
  /// Makes this the calling thread's device, as the runtime library wants it.
  void use() const { check_status(cudaSetDevice(cuda_index_)); }
  void check_status(cudaError_t error) const { check(status_of(error), device_); }
  /// Errors of the driver have the same numbers.
  void check_driver(int result) const { check_status(static_cast<cudaError_t>(result)); }

  const Device device_;
  const int cuda_index_;
  cudaStream_t main_ = nullptr;
  DriverFills fills_;
};

/// The GPUs that this program has code for, looked for once per process.
struct Found {
  std::vector<int> indices;  ///< their numbers in the CUDA runtime
  std::string reason;        ///< why there is none

  Found() {
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess) {
      cudaGetLastError();
      const Status status = status_of(error);
      reason = detail::explain_unavailable(status.code, status.message, versions());
      return;
    }
    for (int i = 0; i < count; ++i) {
      int major = 0, minor = 0;
      cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, i);
      cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, i);
      if (10 * major + minor >= ITO_CUDA_LEAST_ARCHITECTURE) {
        indices.push_back(i);
      } else {
        reason = detail::explain_too_small(10 * major + minor, ITO_CUDA_LEAST_ARCHITECTURE);
      }
    }
    if (count == 0) reason = detail::explain_unavailable(0, "", versions());
  }
};

const Found& found() {
  static const Found result;
  return result;
}

}  // namespace

int device_count() { return static_cast<int>(found().indices.size()); }

Versions versions() {
  Versions v{.driver = 0, .runtime = CUDART_VERSION};
  if (cudaDriverGetVersion(&v.driver) != cudaSuccess) v.driver = 0;
  return v;
}

std::string unavailable_reason() { return device_count() > 0 ? std::string() : found().reason; }

namespace detail {

Runtime& cuda_runtime(int index) {
  static std::mutex mutex;
  // Never destroyed: the driver may be gone when static objects die.
  static auto& all =
      *new std::vector<std::unique_ptr<CudaRuntime>>(static_cast<size_t>(device_count()));
  const std::lock_guard lock(mutex);
  const auto at = static_cast<size_t>(index);
  auto& runtime = all.at(at);
  if (!runtime) runtime = std::make_unique<CudaRuntime>(index, found().indices.at(at));
  return *runtime;
}

}  // namespace detail

}  // namespace ito::cuda
