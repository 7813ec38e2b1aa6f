// Collects the arrays of a golden case that the project makes itself, and writes its file.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "models/init.h"
#include "models/parameter.h"

namespace ito::golden {

class CaseWriter {
 public:
  /// Stands before the names of the arrays that follow ("SUB/" in a layer file).
  void set_prefix(std::string prefix) { prefix_ = std::move(prefix); }
  void add(const std::string& name, const Tensor& tensor);
  /// An image [N, H, W, C].
  void add_image(const std::string& name, const Tensor& tensor);
  /// In the reference's names and layouts.
  void add_parameters(const std::vector<nn::Parameter>& parameters);
  /// grad.* of the trained parameters. The key's bias of an attention has none in theory.
  void add_gradients(const std::vector<nn::Parameter>& parameters, const Tensor& loss);
  /// NAME.safetensors; name and category join the metadata.
  void write(const std::filesystem::path& folder, const std::string& name,
             const std::string& category, std::map<std::string, std::string> metadata) const;

 private:
  std::string prefix_;
  std::vector<std::pair<std::string, Tensor>> arrays_;
  std::vector<std::string> zero_;  ///< arrays that are zero in theory
};

/// New values for the trained parameters: none is zero or one, so that every branch counts.
void draw_parameters(const std::vector<nn::Parameter>& parameters, nn::Init& init);

/// The sub-cases of layer_own.
void write_layers(const std::filesystem::path& folder);

}  // namespace ito::golden
