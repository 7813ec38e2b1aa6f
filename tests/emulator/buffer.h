// Memory for kernels under test. On the emulator it comes from the heap at its exact size, so that
// AddressSanitizer sees every overrun; on the GPU it is managed memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "tests/emulator/kernels.h"

namespace ito::ITO_GPU_NS {

template <class T>
class Buffer {
 public:
  explicit Buffer(std::size_t size, T value = T()) : size_(size) {
    data_ = static_cast<T*>(allocate(size * sizeof(T)));
    std::fill_n(data_, size, value);
  }
  explicit Buffer(const std::vector<T>& values) : Buffer(values.size()) {
    std::copy(values.begin(), values.end(), data_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { release(data_); }

  T* data() { return data_; }
  T& operator[](std::size_t i) { return data_[i]; }
  std::size_t size() const { return size_; }
  std::vector<T> values() const { return std::vector<T>(data_, data_ + size_); }

 private:
  T* data_;
  std::size_t size_;
};

}  // namespace ito::ITO_GPU_NS
