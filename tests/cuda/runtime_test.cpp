// Memory, transfers, guards and faults of the emulated device, and what its absence is called.
#include "engine/cuda/runtime.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "engine/core/allocator.h"
#include "engine/core/check.h"
#include "engine/core/tensor.h"
#include "engine/cuda/emulated.h"
#include "engine/cuda/status.h"
#include "engine/cuda/stream.h"
#include "kernels/group_norm_silu/op.h"

namespace ito::cuda {
namespace {

/// Faults for one test, none afterwards.
struct WithFaults {
  explicit WithFaults(emulated::Faults faults) {
    allocator_of(kEmulated).trim();
    emulated::set_faults(faults);
  }
  ~WithFaults() { emulated::set_faults({}); }
};

template <class F>
UserError failure_of(const F& f) {
  try {
    f();
  } catch (const UserError& e) {
    return e;
  }
  throw std::logic_error("nothing was thrown");
}

TEST(CudaStatus, GivesEveryKindOfFailureItsExitCode) {
  EXPECT_NO_THROW(check({}, kEmulated));
  const auto code = [](int number) {
    return failure_of([&] { check({number, "text"}, kEmulated); }).code();
  };
  EXPECT_EQ(code(2), ErrorCode::out_of_memory);
  for (const int number : {35, 100, 209, 803})
    EXPECT_EQ(code(number), ErrorCode::device_unavailable);
  for (const int number : {214, 700, 716, 719, 999})
    EXPECT_EQ(code(number), ErrorCode::device_fault);
  EXPECT_EQ(exit_code_of(ErrorCode::device_fault), 8);
  EXPECT_THROW(check({1, "invalid argument"}, kEmulated), DeviceError);
  EXPECT_THROW(check({701, "too many resources"}, kEmulated), DeviceError);
}

TEST(CudaRuntime, SaysWhyThereIsNoGpu) {
  using detail::explain_unavailable;
  EXPECT_EQ(explain_unavailable(35, "", {.driver = 0, .runtime = 13000}),
            "there is no NVIDIA driver");
  EXPECT_EQ(explain_unavailable(35, "", {.driver = 12040, .runtime = 13000}),
            "the driver serves CUDA 12.4, this program needs 13.0");
  EXPECT_EQ(explain_unavailable(100, "no CUDA-capable device", {.driver = 13000, .runtime = 13000}),
            "the driver sees no GPU");
  EXPECT_EQ(explain_unavailable(803, "driver mismatch", {.driver = 13000, .runtime = 13000}),
            "driver mismatch (CUDA error 803)");
}

TEST(CudaRuntime, SaysWhatAnOldGpuLacks) {
  EXPECT_EQ(detail::explain_too_small(80, 90),
            "the GPU has compute capability 8.0, this program needs 9.0 (build with a lower "
            "ITO_CUDA_ARCHITECTURES)");
}

TEST(CudaRuntime, RefusesADeviceThatIsNotThere) {
  if (device_count() > 0) GTEST_SKIP() << "this machine has a GPU";
  EXPECT_FALSE(unavailable_reason().empty());
  const UserError e = failure_of([] { Tensor::zeros({3}, DType::f32, {DeviceKind::cuda, 0}); });
  EXPECT_EQ(e.code(), ErrorCode::device_unavailable);
  EXPECT_EQ(e.fact(), "no usable GPU: " + unavailable_reason());
  EXPECT_FALSE(is_available({DeviceKind::cuda, 0}));
}

TEST(CudaTransfer, MovesEverySizeThere_AndBack) {
  for (const int64_t n : {int64_t{0}, int64_t{1}, int64_t{3}, int64_t{5'000'001}}) {
    std::vector<float> values(static_cast<size_t>(n));
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 8191);
    const Tensor there = Tensor::from(values, {n}, kEmulated);
    EXPECT_EQ(there.device(), kEmulated);
    EXPECT_EQ(there.to_vector<float>(), values);
    EXPECT_EQ(there.clone().to(kCpu).to_vector<float>(), values);
  }
}

TEST(CudaTransfer, FillsEveryDtype) {
  for (const DType dtype :
       {DType::f32, DType::bf16, DType::f64, DType::i32, DType::i64, DType::u8}) {
    EXPECT_EQ(Tensor::full({}, 3, dtype, kEmulated).item(), 3) << name_of(dtype);
    const Tensor many = Tensor::full({5}, 7, dtype, kEmulated).to(kCpu);
    dispatch_any(dtype, [&]<class T>() {
      for (const T& v : many.span<T>()) EXPECT_EQ(static_cast<double>(v), 7);
    });
  }
  EXPECT_EQ(Tensor::full({2}, 1.0 / 3, DType::f64, kEmulated).to_vector<double>()[1], 1.0 / 3);
}

TEST(CudaGuards, NoSyncScopeForbidsReadingAndWaiting) {
  const Tensor x = Tensor::full({1}, 2, DType::f32, kEmulated);
  {
    const NoSyncScope off;
    EXPECT_THROW(x.item(), Error);
    EXPECT_THROW(x.to(kCpu), Error);
    EXPECT_THROW(synchronize(kEmulated), Error);
    EXPECT_NO_THROW(x.clone());
    EXPECT_NO_THROW(Tensor::full({1}, 2, DType::f32, kEmulated));
  }
  EXPECT_EQ(x.item(), 2);
}

TEST(CudaMemory, RunsOutWithOneLineAndGivesItsCacheBackFirst) {
  const WithFaults small({.memory_bytes = 1 << 20});
  { const Tensor x = Tensor::empty({600 << 10}, DType::u8, kEmulated); }
  EXPECT_NO_THROW(Tensor::empty({700 << 10}, DType::u8, kEmulated));  // the first is cached
  const Tensor held = Tensor::empty({700 << 10}, DType::u8, kEmulated);
  const UserError e = failure_of([] { Tensor::empty({500 << 10}, DType::u8, kEmulated); });
  EXPECT_EQ(e.code(), ErrorCode::out_of_memory);
  EXPECT_EQ(e.subject(), "emulated memory");
  EXPECT_NE(e.fact().find("cannot allocate 512000 bytes"), std::string::npos) << e.fact();
}

Tensor normalise(const Tensor& x) {
  const Tensor ones = Tensor::full({8}, 1, DType::f32, x.device());
  return ops::group_norm_silu(x, ones, ones, {.groups = 4});
}

TEST(CudaFault, NamesTheOpAndStays) {
  const Tensor x = Tensor::full({2, 4, 4, 8}, 1, DType::f32, kEmulated);
  {
    const WithFaults broken({.fault_at = 2});  // a fill, then the first kernel of the op
    const UserError e = failure_of([&] { normalise(x); });
    EXPECT_EQ(e.code(), ErrorCode::device_fault);
    EXPECT_EQ(e.subject(), "emulated");
    EXPECT_EQ(e.fact(),
              "group_norm_silu: an illegal memory access was encountered (CUDA error 700)");
    EXPECT_EQ(failure_of([&] { synchronize(kEmulated); }).code(), ErrorCode::device_fault);
    EXPECT_EQ(failure_of([&] { x.to(kCpu); }).code(), ErrorCode::device_fault);
    EXPECT_EQ(failure_of([&] { normalise(x); }).code(), ErrorCode::device_fault);
  }
  EXPECT_NO_THROW(normalise(x));
}

TEST(CudaStrict, ATouchOfDeviceMemoryByTheHostCrashes) {
  const char* strict = std::getenv("ITO_EMU_STRICT");
  const Tensor x = Tensor::full({4}, 1, DType::f32, kEmulated);
  if (strict == nullptr) {
    EXPECT_EQ(x.data<float>()[3], 1);  // convenient, and why the strict mode exists
    return;
  }
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_DEATH({ std::exit(static_cast<int>(x.data<float>()[3])); }, "");
}

}  // namespace
}  // namespace ito::cuda
