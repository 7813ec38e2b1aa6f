// The list of all ops, generated from the folders of kernels/.
#pragma once

#include <span>

#include "engine/autograd/op_info.h"

namespace ito {

std::span<const OpInfo* const> op_table();

}  // namespace ito
