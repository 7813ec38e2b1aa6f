#include "kernels/common/cublas.h"

#include "kernels/common/library.h"

#if defined(ITO_HAVE_CUDA) && __has_include(<cublasLt.h>)
#include <cublasLt.h>

#include <array>
#include <map>
#include <mutex>

namespace ito {
namespace {

constexpr int64_t kWorkspaceLimit = 32 << 20;

struct Library : SharedLibrary {
  decltype(cublasLtGetVersion)* version;
  decltype(cublasLtGetStatusName)* status_name;
  decltype(cublasLtCreate)* create;
  decltype(cublasLtMatmul)* matmul;
  decltype(cublasLtMatmulDescCreate)* desc_create;
  decltype(cublasLtMatmulDescSetAttribute)* desc_set;
  decltype(cublasLtMatrixLayoutCreate)* layout_create;
  decltype(cublasLtMatrixLayoutSetAttribute)* layout_set;
  decltype(cublasLtMatmulPreferenceCreate)* preference_create;
  decltype(cublasLtMatmulPreferenceDestroy)* preference_destroy;
  decltype(cublasLtMatmulPreferenceSetAttribute)* preference_set;
  decltype(cublasLtMatmulAlgoGetHeuristic)* heuristic;

  Library() : SharedLibrary("ITO_CUBLASLT_LIBRARY", {"libcublasLt.so.13", "libcublasLt.so.12"}) {
    take(version, "cublasLtGetVersion");
    take(status_name, "cublasLtGetStatusName");
    take(create, "cublasLtCreate");
    take(matmul, "cublasLtMatmul");
    take(desc_create, "cublasLtMatmulDescCreate");
    take(desc_set, "cublasLtMatmulDescSetAttribute");
    take(layout_create, "cublasLtMatrixLayoutCreate");
    take(layout_set, "cublasLtMatrixLayoutSetAttribute");
    take(preference_create, "cublasLtMatmulPreferenceCreate");
    take(preference_destroy, "cublasLtMatmulPreferenceDestroy");
    take(preference_set, "cublasLtMatmulPreferenceSetAttribute");
    take(heuristic, "cublasLtMatmulAlgoGetHeuristic");
    if (usable()) check_version(static_cast<int>(version() / 10000));
    if (!usable()) record_missing_library("matmul", "cuBLASLt", problem());
  }

  /// Enumerations and structures are those of the header since version 12.
  void check_version(int major) {
    if (major >= 12 && major <= CUBLAS_VER_MAJOR) return;
    reject(file() + " is version " + std::to_string(major) + ", this program takes 12 to " +
           std::to_string(CUBLAS_VER_MAJOR));
  }
};

const Library& library() {
  static const Library instance;
  return instance;
}

/// Everything that the choice of an algorithm depends on.
using Key = std::array<int64_t, 16>;

/// 16, or the largest power of two below that divides the address.
int64_t alignment_of(const void* p) {
  const auto address = reinterpret_cast<std::uintptr_t>(p) | 16;
  return static_cast<int64_t>(address & (~address + 1));
}

Key key_of(Device device, const CublasMatmul& c) {
  return {device.index,
          static_cast<int64_t>(c.dtype),
          c.m,
          c.n,
          c.k,
          c.batch,
          c.a_batch,
          c.b_batch,
          c.transpose_a,
          c.transpose_b,
          c.bias != nullptr,
          c.residual != nullptr,
          alignment_of(c.a),
          alignment_of(c.b),
          alignment_of(c.c),
          alignment_of(c.bias)};
}

std::string text_of(const CublasMatmul& c) {
  const auto operand = [&](int64_t rows, int64_t columns, bool transpose, int64_t batch_stride) {
    return " [" + std::to_string(rows) + ", " + std::to_string(columns) + (transpose ? " T" : "") +
           (c.batch > 1 && batch_stride == 0 ? " shared" : "") + "]";
  };
  return "matmul " + std::string(name_of(c.dtype)) + " " + std::to_string(c.batch) + " x" +
         operand(c.m, c.k, c.transpose_a, c.a_batch) + operand(c.k, c.n, c.transpose_b, c.b_batch) +
         (c.bias != nullptr ? " + bias" : "") + (c.residual != nullptr ? " + residual" : "");
}

/// What one shape needs to be started. Kept for the life of the process.
struct Plan {
  bool usable = false;
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t desc = nullptr;
  cublasLtMatrixLayout_t first = nullptr, second = nullptr, result = nullptr;
  cublasLtMatmulAlgo_t algorithm{};
  size_t workspace = 0;
};

/// The first status of a sequence of calls that is not success.
struct Sequence {
  cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
  template <class F>
  void then(F&& call) {
    if (status == CUBLAS_STATUS_SUCCESS) status = call();
  }
};

cudaDataType_t data_type(DType dtype) { return dtype == DType::f32 ? CUDA_R_32F : CUDA_R_16BF; }

cublasLtHandle_t handle_of(Device device, Sequence& steps) {
  static std::map<int, cublasLtHandle_t> handles;
  cublasLtHandle_t& handle = handles[device.index];
  if (handle == nullptr) steps.then([&] { return library().create(&handle); });
  return handle;
}

void make_layout(Sequence& steps, cublasLtMatrixLayout_t& layout, const CublasMatmul& c,
                 int64_t rows, int64_t columns, int64_t batch_stride) {
  const Library& lib = library();
  steps.then([&] {
    return lib.layout_create(&layout, data_type(c.dtype), static_cast<uint64_t>(rows),
                             static_cast<uint64_t>(columns), rows);
  });
  const auto batch = static_cast<int32_t>(c.batch);
  steps.then([&] {
    return lib.layout_set(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch);
  });
  steps.then([&] {
    return lib.layout_set(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &batch_stride,
                          sizeof batch_stride);
  });
}

template <class T>
void set(Sequence& steps, cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t what, T value) {
  steps.then([&] { return library().desc_set(desc, what, &value, sizeof value); });
}

/// The library is column-major: it computes c^T [n, m] = b^T a^T, where our row-major b is a matrix
/// [n, k] already.
void describe(Sequence& steps, Plan& plan, const CublasMatmul& c) {
  steps.then([&] { return library().desc_create(&plan.desc, CUBLAS_COMPUTE_32F, CUDA_R_32F); });
  set<int32_t>(steps, plan.desc, CUBLASLT_MATMUL_DESC_TRANSA,
               c.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
  set<int32_t>(steps, plan.desc, CUBLASLT_MATMUL_DESC_TRANSB,
               c.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (c.bias != nullptr) {
    set<int32_t>(steps, plan.desc, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set<const void*>(steps, plan.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, c.bias);
  }
  make_layout(steps, plan.first, c, c.transpose_b ? c.k : c.n, c.transpose_b ? c.n : c.k,
              c.b_batch);
  make_layout(steps, plan.second, c, c.transpose_a ? c.m : c.k, c.transpose_a ? c.k : c.m,
              c.a_batch);
  make_layout(steps, plan.result, c, c.n, c.m, c.m * c.n);
}

/// Partial sums only in the workspace: reductions in the result would round them to bf16.
void choose_algorithm(Sequence& steps, Plan& plan, const CublasMatmul& c) {
  const Library& lib = library();
  cublasLtMatmulPreference_t preference = nullptr;
  const auto prefer = [&]<class T>(cublasLtMatmulPreferenceAttributes_t what, T value) {
    steps.then([&] { return lib.preference_set(preference, what, &value, sizeof value); });
  };
  steps.then([&] { return lib.preference_create(&preference); });
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<uint64_t>(kWorkspaceLimit));
  prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
         static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<uint32_t>(alignment_of(c.b)));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<uint32_t>(alignment_of(c.a)));
  const void* added = c.residual != nullptr ? c.residual : c.c;
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<uint32_t>(alignment_of(added)));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<uint32_t>(alignment_of(c.c)));
  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  steps.then([&] {
    return lib.heuristic(plan.handle, plan.desc, plan.first, plan.second, plan.result, plan.result,
                         preference, 1, &best, &found);
  });
  steps.then([&] { return found > 0 ? best.state : CUBLAS_STATUS_NOT_SUPPORTED; });
  plan.algorithm = best.algo;
  plan.workspace = best.workspaceSize;
  if (preference != nullptr) lib.preference_destroy(preference);
}

Plan make_plan(Device device, const CublasMatmul& c) {
  Plan plan;
  Sequence steps;
  plan.handle = handle_of(device, steps);
  describe(steps, plan, c);
  choose_algorithm(steps, plan, c);
  plan.usable = steps.status == CUBLAS_STATUS_SUCCESS;
  if (plan.usable) {
    record_kernel_choice({text_of(c), "cuBLASLt", "its heuristic has an algorithm"});
  } else {
    record_kernel_choice({text_of(c), "own",
                          std::string("cuBLASLt answers ") + library().status_name(steps.status)});
  }
  return plan;
}

}  // namespace

bool cublaslt_matmul(Launch& launch, const CublasMatmul& call) {
  if (!libraries_allowed(launch.device()) || !library().usable()) return false;
  if ((call.dtype != DType::f32 && call.dtype != DType::bf16) || call.k == 0) return false;
  static std::mutex mutex;
  static auto* plans = new std::map<Key, Plan>;  // never destroyed: the library may be gone first
  const std::lock_guard lock(mutex);
  const Key key = key_of(launch.device(), call);
  auto found = plans->find(key);
  if (found == plans->end()) {
    // Loading the library's kernels is no work that a graph can record.
    if (launch.capturing()) return false;
    found = plans->emplace(key, make_plan(launch.device(), call)).first;
  }
  Plan& plan = found->second;
  if (!plan.usable) return false;
  Sequence steps;
  if (call.bias != nullptr) {
    set<const void*>(steps, plan.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, call.bias);
  }
  void* workspace =
      plan.workspace > 0 ? launch.scratch<uint8_t>(static_cast<int64_t>(plan.workspace)) : nullptr;
  const void* residual = call.residual != nullptr ? call.residual : call.c;
  const float beta = call.residual != nullptr ? call.beta : 0;
  steps.then([&] {
    return library().matmul(plan.handle, plan.desc, &call.alpha, call.b, plan.first, call.a,
                            plan.second, &beta, residual, plan.result, call.c, plan.result,
                            &plan.algorithm, workspace, plan.workspace, launch.stream());
  });
  if (steps.status == CUBLAS_STATUS_SUCCESS) return true;
  plan.usable = false;
  record_kernel_choice(
      {text_of(call), "own",
       std::string("cuBLASLt failed with ") + library().status_name(steps.status)});
  return false;
}

LibraryState cublaslt_state() {
  if (!library().usable()) return {false, library().problem()};
  return state_of(library(), static_cast<int>(library().version()));
}

}  // namespace ito

#else

namespace ito {

bool cublaslt_matmul(Launch&, const CublasMatmul&) { return false; }

LibraryState cublaslt_state() { return {false, "this build has no CUDA"}; }

}  // namespace ito

#endif
