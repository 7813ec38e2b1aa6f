// A stand-in for cuDNN that convolves on the host, for tests without a GPU. Its searches offer
// faster algorithms that the caller must not take: one that is not deterministic, one with TF32,
// one with transforms. It refuses kernels of 5 taps a side.
#include <cudnn.h>

#include <cstring>
#include <vector>

#include "engine/core/dtype.h"

#define FAKE extern "C" __attribute__((visibility("default")))

namespace {

struct Tensor4 {
  cudnnDataType_t type = CUDNN_DATA_DOUBLE;
  int n = 0, c = 0, h = 0, w = 0;
  int64_t size() const { return static_cast<int64_t>(n) * c * h * w; }
  int64_t at(int in, int ih, int iw, int ic) const {
    return ((static_cast<int64_t>(in) * h + ih) * w + iw) * c + ic;
  }
};
struct Convolution {
  int pad_h, pad_w, stride, dilation;
  cudnnMathType_t math = CUDNN_DEFAULT_MATH;
};

int searches = 0;

template <class F>
F& as(void* opaque) {
  return *static_cast<F*>(opaque);
}
template <class F, class Handle>
cudnnStatus_t create(Handle* handle) {
  *handle = reinterpret_cast<Handle>(new F{});
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t set(Tensor4& t, cudnnTensorFormat_t format, const Tensor4& value) {
  t = value;
  return format == CUDNN_TENSOR_NHWC ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}

double read(const void* data, const Tensor4& t, int64_t at) {
  if (t.type == CUDNN_DATA_FLOAT) return static_cast<const float*>(data)[at];
  return static_cast<float>(static_cast<const ito::BFloat16*>(data)[at]);
}
void write(void* data, const Tensor4& t, const std::vector<double>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (t.type == CUDNN_DATA_FLOAT) {
      static_cast<float*>(data)[i] = static_cast<float>(values[i]);
    } else {
      static_cast<ito::BFloat16*>(data)[i] =
          static_cast<ito::BFloat16>(static_cast<float>(values[i]));
    }
  }
}
std::vector<double> zeros(const Tensor4& t) {
  return std::vector<double>(static_cast<size_t>(t.size()), 0.0);
}

/// Calls body(index in x, index in w, index in y) for every product.
template <class Body>
void each_product(const Tensor4& x, const Tensor4& w, const Tensor4& y, const Convolution& c,
                  Body&& body) {
  for (int n = 0; n < y.n; ++n) {
    for (int r = 0; r < y.h; ++r) {
      for (int s = 0; s < y.w; ++s) {
        for (int i = 0; i < w.h * w.w; ++i) {
          const int row = r * c.stride - c.pad_h + i / w.w * c.dilation;
          const int column = s * c.stride - c.pad_w + i % w.w * c.dilation;
          if (row < 0 || row >= x.h || column < 0 || column >= x.w) continue;
          for (int o = 0; o < y.c; ++o) {
            for (int k = 0; k < x.c; ++k) {
              body(x.at(n, row, column, k), w.at(o, i / w.w, i % w.w, k), y.at(n, r, s, o));
            }
          }
        }
      }
    }
  }
}

/// Whether the caller kept to what it may use.
bool proper(const Convolution& c, const Tensor4& x, int algorithm, const void* workspace,
            size_t bytes) {
  const bool math = x.type != CUDNN_DATA_FLOAT || c.math == CUDNN_FMA_MATH;
  return math && algorithm == 1 && workspace != nullptr && bytes == 512;
}

/// What a search finds, fastest first; it scribbles on the result as real ones do.
template <class Perf, class Algorithm>
cudnnStatus_t found(const Tensor4& w, int fast, Perf* results, int* count, void* result,
                    const Tensor4& shape) {
  ++searches;
  const auto perf = [](int algorithm, cudnnDeterminism_t determinism, cudnnMathType_t math) {
    Perf p{};
    p.algo = static_cast<Algorithm>(algorithm);
    p.status = CUDNN_STATUS_SUCCESS;
    p.memory = 512;
    p.determinism = determinism;
    p.mathType = math;
    return p;
  };
  write(result, shape, std::vector<double>(static_cast<size_t>(shape.size()), 777.0));
  if (w.h == 5 && w.w == 5) {
    *count = 0;
    return CUDNN_STATUS_SUCCESS;
  }
  const cudnnMathType_t exact = w.type == CUDNN_DATA_FLOAT ? CUDNN_FMA_MATH : CUDNN_TENSOR_OP_MATH;
  results[0] = perf(fast, CUDNN_DETERMINISTIC, exact);
  results[1] = perf(1, CUDNN_NON_DETERMINISTIC, exact);
  results[1].memory = 1024;
  results[2] = perf(1, CUDNN_DETERMINISTIC,
                    w.type == CUDNN_DATA_FLOAT ? CUDNN_DEFAULT_MATH : CUDNN_TENSOR_OP_MATH);
  if (w.type == CUDNN_DATA_FLOAT) results[2].memory = 1024;
  results[3] = perf(1, CUDNN_DETERMINISTIC, exact);
  *count = 4;
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace

FAKE int fake_cudnn_searches() { return searches; }

FAKE size_t cudnnGetVersion() { return CUDNN_VERSION; }
FAKE const char* cudnnGetErrorString(cudnnStatus_t status) {
  return status == CUDNN_STATUS_NOT_SUPPORTED ? "not supported" : "another error";
}
FAKE cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) { return create<int>(handle); }
FAKE cudnnStatus_t cudnnSetStream(cudnnHandle_t, cudaStream_t) { return CUDNN_STATUS_SUCCESS; }
FAKE cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* d) {
  return create<Tensor4>(d);
}
FAKE cudnnStatus_t cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t* d) {
  return create<Tensor4>(d);
}
FAKE cudnnStatus_t cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t* d) {
  return create<Convolution>(d);
}
FAKE cudnnStatus_t cudnnCreateActivationDescriptor(cudnnActivationDescriptor_t* d) {
  return create<int>(d);
}
FAKE cudnnStatus_t cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t d, cudnnTensorFormat_t format,
                                              cudnnDataType_t type, int n, int c, int h, int w) {
  return set(as<Tensor4>(d), format, {type, n, c, h, w});
}
FAKE cudnnStatus_t cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t d, cudnnDataType_t type,
                                              cudnnTensorFormat_t format, int k, int c, int h,
                                              int w) {
  return set(as<Tensor4>(d), format, {type, k, c, h, w});
}
FAKE cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t d, int pad_h,
                                                   int pad_w, int u, int v, int dilation_h,
                                                   int dilation_w, cudnnConvolutionMode_t mode,
                                                   cudnnDataType_t sums) {
  as<Convolution>(d) = {pad_h, pad_w, u, dilation_h};
  const bool fine = u == v && dilation_h == dilation_w && mode == CUDNN_CROSS_CORRELATION &&
                    sums == CUDNN_DATA_FLOAT;
  return fine ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}
FAKE cudnnStatus_t cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t d,
                                               cudnnMathType_t math) {
  as<Convolution>(d).math = math;
  return CUDNN_STATUS_SUCCESS;
}
FAKE cudnnStatus_t cudnnSetActivationDescriptor(cudnnActivationDescriptor_t,
                                                cudnnActivationMode_t mode, cudnnNanPropagation_t,
                                                double) {
  return mode == CUDNN_ACTIVATION_IDENTITY ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}

FAKE cudnnStatus_t cudnnFindConvolutionForwardAlgorithmEx(
    cudnnHandle_t, cudnnTensorDescriptor_t, const void*, cudnnFilterDescriptor_t w, const void*,
    cudnnConvolutionDescriptor_t, cudnnTensorDescriptor_t y, void* result, int, int* count,
    cudnnConvolutionFwdAlgoPerf_t* results, void*, size_t) {
  return found<cudnnConvolutionFwdAlgoPerf_t, cudnnConvolutionFwdAlgo_t>(
      as<Tensor4>(w), CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD, results, count, result, as<Tensor4>(y));
}
FAKE cudnnStatus_t cudnnFindConvolutionBackwardDataAlgorithmEx(
    cudnnHandle_t, cudnnFilterDescriptor_t w, const void*, cudnnTensorDescriptor_t, const void*,
    cudnnConvolutionDescriptor_t, cudnnTensorDescriptor_t x, void* result, int, int* count,
    cudnnConvolutionBwdDataAlgoPerf_t* results, void*, size_t) {
  return found<cudnnConvolutionBwdDataAlgoPerf_t, cudnnConvolutionBwdDataAlgo_t>(
      as<Tensor4>(w), CUDNN_CONVOLUTION_BWD_DATA_ALGO_0, results, count, result, as<Tensor4>(x));
}
FAKE cudnnStatus_t cudnnFindConvolutionBackwardFilterAlgorithmEx(
    cudnnHandle_t, cudnnTensorDescriptor_t, const void*, cudnnTensorDescriptor_t, const void*,
    cudnnConvolutionDescriptor_t, cudnnFilterDescriptor_t w, void* result, int, int* count,
    cudnnConvolutionBwdFilterAlgoPerf_t* results, void*, size_t) {
  return found<cudnnConvolutionBwdFilterAlgoPerf_t, cudnnConvolutionBwdFilterAlgo_t>(
      as<Tensor4>(w), CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3, results, count, result, as<Tensor4>(w));
}

FAKE cudnnStatus_t cudnnConvolutionBiasActivationForward(
    cudnnHandle_t, const void*, cudnnTensorDescriptor_t xd, const void* x,
    cudnnFilterDescriptor_t wd, const void* w, cudnnConvolutionDescriptor_t cd,
    cudnnConvolutionFwdAlgo_t algorithm, void* workspace, size_t bytes, const void* beta,
    cudnnTensorDescriptor_t, const void*, cudnnTensorDescriptor_t bd, const void* bias,
    cudnnActivationDescriptor_t, cudnnTensorDescriptor_t yd, void* y) {
  const Tensor4 &tx = as<Tensor4>(xd), &tw = as<Tensor4>(wd), &ty = as<Tensor4>(yd);
  const Convolution& c = as<Convolution>(cd);
  if (!proper(c, tx, algorithm, workspace, bytes) || *static_cast<const float*>(beta) != 0) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  std::vector<double> sums = zeros(ty);
  each_product(tx, tw, ty, c, [&](int64_t i, int64_t j, int64_t k) {
    sums[static_cast<size_t>(k)] += read(x, tx, i) * read(w, tw, j);
  });
  for (size_t k = 0; bias != nullptr && k < sums.size(); ++k) {
    sums[k] += read(bias, as<Tensor4>(bd), static_cast<int64_t>(k) % ty.c);
  }
  write(y, ty, sums);
  return CUDNN_STATUS_SUCCESS;
}
FAKE cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t handle, const void* alpha,
                                           cudnnTensorDescriptor_t xd, const void* x,
                                           cudnnFilterDescriptor_t wd, const void* w,
                                           cudnnConvolutionDescriptor_t cd,
                                           cudnnConvolutionFwdAlgo_t algorithm, void* workspace,
                                           size_t bytes, const void* beta,
                                           cudnnTensorDescriptor_t yd, void* y) {
  return cudnnConvolutionBiasActivationForward(handle, alpha, xd, x, wd, w, cd, algorithm,
                                               workspace, bytes, beta, yd, y, yd, nullptr, nullptr,
                                               yd, y);
}
FAKE cudnnStatus_t cudnnConvolutionBackwardData(cudnnHandle_t, const void*,
                                                cudnnFilterDescriptor_t wd, const void* w,
                                                cudnnTensorDescriptor_t yd, const void* gy,
                                                cudnnConvolutionDescriptor_t cd,
                                                cudnnConvolutionBwdDataAlgo_t algorithm,
                                                void* workspace, size_t bytes, const void*,
                                                cudnnTensorDescriptor_t xd, void* gx) {
  const Tensor4 &tx = as<Tensor4>(xd), &tw = as<Tensor4>(wd), &ty = as<Tensor4>(yd);
  const Convolution& c = as<Convolution>(cd);
  if (!proper(c, tx, algorithm, workspace, bytes)) return CUDNN_STATUS_BAD_PARAM;
  std::vector<double> sums = zeros(tx);
  each_product(tx, tw, ty, c, [&](int64_t i, int64_t j, int64_t k) {
    sums[static_cast<size_t>(i)] += read(gy, ty, k) * read(w, tw, j);
  });
  write(gx, tx, sums);
  return CUDNN_STATUS_SUCCESS;
}
FAKE cudnnStatus_t cudnnConvolutionBackwardFilter(cudnnHandle_t, const void*,
                                                  cudnnTensorDescriptor_t xd, const void* x,
                                                  cudnnTensorDescriptor_t yd, const void* gy,
                                                  cudnnConvolutionDescriptor_t cd,
                                                  cudnnConvolutionBwdFilterAlgo_t algorithm,
                                                  void* workspace, size_t bytes, const void*,
                                                  cudnnFilterDescriptor_t wd, void* gw) {
  const Tensor4 &tx = as<Tensor4>(xd), &tw = as<Tensor4>(wd), &ty = as<Tensor4>(yd);
  const Convolution& c = as<Convolution>(cd);
  if (!proper(c, tx, algorithm, workspace, bytes)) return CUDNN_STATUS_BAD_PARAM;
  std::vector<double> sums = zeros(tw);
  each_product(tx, tw, ty, c, [&](int64_t i, int64_t j, int64_t k) {
    sums[static_cast<size_t>(j)] += read(x, tx, i) * read(gy, ty, k);
  });
  write(gw, tw, sums);
  return CUDNN_STATUS_SUCCESS;
}
