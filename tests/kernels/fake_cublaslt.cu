// A stand-in for cuBLASLt that multiplies on the host, column-major as the library does, for tests
// without a GPU. It takes no product with 13 columns, and checks what the caller promised: fp32
// sums, and reductions in the workspace alone.
#include <cublasLt.h>

#include <cstring>
#include <vector>

#include "engine/core/dtype.h"

#define FAKE extern "C" __attribute__((visibility("default")))

namespace {

struct Desc {
  int compute = 0, transpose_first = 0, transpose_second = 0, epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
};
struct Layout {
  cudaDataType type;
  int64_t rows, columns, leading;
  int64_t batch_stride = 0;
  int32_t batch = 1;
};
struct Preference {
  uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_MASK;
};

template <class F>
F& as(void* opaque) {
  return *static_cast<F*>(opaque);
}

float read(const void* data, cudaDataType type, int64_t at) {
  if (type == CUDA_R_32F) return static_cast<const float*>(data)[at];
  return static_cast<float>(static_cast<const ito::BFloat16*>(data)[at]);
}
void write(void* data, cudaDataType type, int64_t at, float value) {
  if (type == CUDA_R_32F) {
    static_cast<float*>(data)[at] = value;
  } else {
    static_cast<ito::BFloat16*>(data)[at] = static_cast<ito::BFloat16>(value);
  }
}

}  // namespace

FAKE size_t cublasLtGetVersion() { return CUBLAS_VERSION; }
FAKE const char* cublasLtGetStatusName(cublasStatus_t status) {
  return status == CUBLAS_STATUS_NOT_SUPPORTED ? "CUBLAS_STATUS_NOT_SUPPORTED" : "another status";
}
FAKE cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  static int stand_in;
  *handle = reinterpret_cast<cublasLtHandle_t>(&stand_in);
  return CUBLAS_STATUS_SUCCESS;
}
FAKE cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t type,
                                             cudaDataType_t) {
  auto* made = new Desc;
  made->compute = type;
  *desc = reinterpret_cast<cublasLtMatmulDesc_t>(made);
  return CUBLAS_STATUS_SUCCESS;
}
FAKE cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                                                   cublasLtMatmulDescAttributes_t what,
                                                   const void* value, size_t bytes) {
  Desc& d = as<Desc>(desc);
  if (what == CUBLASLT_MATMUL_DESC_TRANSA) std::memcpy(&d.transpose_first, value, bytes);
  if (what == CUBLASLT_MATMUL_DESC_TRANSB) std::memcpy(&d.transpose_second, value, bytes);
  if (what == CUBLASLT_MATMUL_DESC_EPILOGUE) std::memcpy(&d.epilogue, value, bytes);
  if (what == CUBLASLT_MATMUL_DESC_BIAS_POINTER) std::memcpy(&d.bias, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}
FAKE cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type,
                                               uint64_t rows, uint64_t columns, int64_t leading) {
  *layout = reinterpret_cast<cublasLtMatrixLayout_t>(
      new Layout{type, static_cast<int64_t>(rows), static_cast<int64_t>(columns), leading});
  return CUBLAS_STATUS_SUCCESS;
}
FAKE cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                     cublasLtMatrixLayoutAttribute_t what,
                                                     const void* value, size_t bytes) {
  Layout& l = as<Layout>(layout);
  if (what == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT) std::memcpy(&l.batch, value, bytes);
  if (what == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET) {
    std::memcpy(&l.batch_stride, value, bytes);
  }
  return CUBLAS_STATUS_SUCCESS;
}
FAKE cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = reinterpret_cast<cublasLtMatmulPreference_t>(new Preference);
  return CUBLAS_STATUS_SUCCESS;
}
FAKE cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete &as<Preference>(preference);
  return CUBLAS_STATUS_SUCCESS;
}
FAKE cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                         cublasLtMatmulPreferenceAttributes_t what,
                                                         const void* value, size_t bytes) {
  if (what == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK) {
    std::memcpy(&as<Preference>(preference).reductions, value, bytes);
  }
  return CUBLAS_STATUS_SUCCESS;
}
FAKE cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
    cublasLtMatrixLayout_t, cublasLtMatrixLayout_t result, cublasLtMatmulPreference_t preference,
    int, cublasLtMatmulHeuristicResult_t* best, int* found) {
  *found = 0;
  if (as<Desc>(desc).compute != CUBLAS_COMPUTE_32F) return CUBLAS_STATUS_INVALID_VALUE;
  if (as<Preference>(preference).reductions != CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (as<Layout>(result).rows == 13) return CUBLAS_STATUS_NOT_SUPPORTED;
  *best = {};
  best->state = CUBLAS_STATUS_SUCCESS;
  best->workspaceSize = 256;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

FAKE cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t desc, const void* alpha,
                                   const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                                   cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                                   cublasLtMatrixLayout_t, void* d, cublasLtMatrixLayout_t layout,
                                   const cublasLtMatmulAlgo_t*, void* workspace, size_t bytes,
                                   cudaStream_t) {
  const Desc& how = as<Desc>(desc);
  const Layout &la = as<Layout>(a_layout), &lb = as<Layout>(b_layout), &ld = as<Layout>(layout);
  const bool ta = how.transpose_first == CUBLAS_OP_T, tb = how.transpose_second == CUBLAS_OP_T;
  const int64_t depth = ta ? la.rows : la.columns;
  if ((ta ? la.columns : la.rows) != ld.rows || (tb ? lb.rows : lb.columns) != ld.columns ||
      (tb ? lb.columns : lb.rows) != depth || workspace == nullptr || bytes != 256) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  for (int64_t batch = 0; batch < ld.batch; ++batch) {
    for (int64_t j = 0; j < ld.columns; ++j) {
      for (int64_t i = 0; i < ld.rows; ++i) {
        float sum = 0;
        for (int64_t k = 0; k < depth; ++k) {
          const int64_t at_a = ta ? k + i * la.leading : i + k * la.leading;
          const int64_t at_b = tb ? j + k * lb.leading : k + j * lb.leading;
          sum += read(a, la.type, batch * la.batch_stride + at_a) *
                 read(b, lb.type, batch * lb.batch_stride + at_b);
        }
        const int64_t at = batch * ld.batch_stride + i + j * ld.leading;
        sum *= *static_cast<const float*>(alpha);
        const float factor = *static_cast<const float*>(beta);
        if (factor != 0) sum += factor * read(c, ld.type, at);
        if (how.epilogue == CUBLASLT_EPILOGUE_BIAS) sum += read(how.bias, ld.type, i);
        write(d, ld.type, at, sum);
      }
    }
  }
  return CUBLAS_STATUS_SUCCESS;
}
