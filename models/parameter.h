// Parameters: how a network names, creates and lists its tensors.
//
// A network is a tree of plain structs (layers and blocks) that hold tensors. Each has a
// `void list(ParameterList&)` that names them; everything else (initialisation order, checkpoints,
// the optimizer's arena, import of reference weights) works on that list.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/core/tensor.h"

namespace ito::nn {

/// How the public PyTorch implementation stores a tensor, next to how we do.
enum class ReferenceLayout : uint8_t {
  same,
  conv,  ///< theirs [out, in, kh, kw], ours [out, kh, kw, in]
  nin,   ///< theirs [in, out], ours [out, in]
};

enum class Training : uint8_t { trained, frozen };

struct Parameter {
  std::string name;            ///< "down.1.block.2.conv0.weight"
  std::string reference_name;  ///< "all_modules.8.Conv_0.weight"
  ReferenceLayout layout = ReferenceLayout::same;
  Training training = Training::trained;
  Tensor* value = nullptr;  ///< the member of the network; assign to it to rebind
};

/// Collects parameters in order, with the names of the enclosing scopes in front.
class ParameterList {
 public:
  /// Scope with our name and the reference's; either may be empty and then adds nothing.
  class Scope {
   public:
    Scope(ParameterList& list, std::string_view name, std::string_view reference);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    ParameterList& list_;
    size_t name_size_, reference_size_;
  };

  void add(std::string_view name, std::string_view reference, Tensor& value,
           ReferenceLayout layout = ReferenceLayout::same, Training training = Training::trained);

  /// Lists a layer or block under a scope.
  template <class Part>
  void part(std::string_view name, std::string_view reference, Part& part) {
    const Scope scope(*this, name, reference);
    part.list(*this);
  }

  const std::vector<Parameter>& parameters() const { return parameters_; }

 private:
  std::vector<Parameter> parameters_;
  std::string name_, reference_;
};

/// A tensor of ours from the reference's, which may be f32 or f64. Throws ShapeError on a wrong
/// rank.
Tensor from_reference(const Tensor& theirs, ReferenceLayout layout);
/// The opposite.
Tensor to_reference(const Tensor& ours, ReferenceLayout layout);

}  // namespace ito::nn
