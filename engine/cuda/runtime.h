// The seam to the CUDA runtime. no_cuda.cpp implements it where the engine is built without CUDA.
#pragma once

#include <string>

#include "engine/core/allocator.h"

namespace ito::cuda {

int device_count();                ///< usable GPUs; 0 without driver or device
std::string unavailable_reason();  ///< why device_count() is 0
Allocator& device_allocator(int index);

}  // namespace ito::cuda
