// Named tensors of a file in somebody else's names, and how they become the weights of a network.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "models/network.h"
#include "tools/import/torch_file.h"

namespace ito::tools {

/// A tensor that is read when it is asked for.
struct SourceTensor {
  std::function<Shape()> shape;
  std::function<DType()> dtype;
  std::function<Tensor()> read;
};

struct TensorSource {
  std::filesystem::path path;  ///< stands in the errors
  std::map<std::string, SourceTensor> tensors;
};

/// All tensors of a safetensors file. Throws what read_safetensors throws.
TensorSource safetensors_source(const std::filesystem::path& file);
/// A value of kind tensor; `name` stands in the errors.
SourceTensor torch_tensor(const std::shared_ptr<const TorchFile>& file, const Value& value,
                          const std::string& name);
/// The entries of a dictionary in a file of torch.save; they need not be tensors until they are
/// asked for. Throws UserError(file_mismatch) for two entries of one name.
TensorSource torch_source(const std::shared_ptr<const TorchFile>& file, const Value& dict);

/// Takes "module.", which DataParallel puts before every name, away. Throws
/// UserError(file_mismatch) if only some names have it.
void remove_module_prefix(TensorSource& source);

/// Where a parameter of ours is in a file, and how it lies there.
struct Origin {
  std::string name;
  nn::ReferenceLayout layout = nn::ReferenceLayout::same;
};

using OriginOf = std::function<Origin(const nn::Parameter&)>;

/// Throws UserError(file_mismatch) if a parameter has no tensor, or a tensor no parameter.
void check_names(nn::Network& network, const TensorSource& source, const OriginOf& origin_of);

/// Copies the tensors into the network. Strict: every parameter must be there with its shape and a
/// floating type, and nothing else; a matrix [out, in] may also stand as a convolution
/// [out, in, 1, 1]. Nothing is read before all shapes agree. Throws UserError(file_mismatch) naming
/// the first tensor that does not fit and how many do not.
void fill_network(nn::Network& network, const TensorSource& source, const OriginOf& origin_of);

/// Throws UserError(file_mismatch): the file is not of this configuration.
[[noreturn]] void other_configuration(const std::filesystem::path& file, const std::string& fact);

}  // namespace ito::tools
