#include "models/parameter.h"

#include "engine/autograd/autograd.h"
#include "kernels/permute/op.h"

namespace ito::nn {
namespace {

void append(std::string& path, std::string_view part) {
  if (part.empty()) return;
  if (!path.empty()) path += '.';
  path += part;
}

}  // namespace

ParameterList::Scope::Scope(ParameterList& list, std::string_view name, std::string_view reference)
    : list_(list), name_size_(list.name_.size()), reference_size_(list.reference_.size()) {
  append(list.name_, name);
  append(list.reference_, reference);
}

ParameterList::Scope::~Scope() {
  list_.name_.resize(name_size_);
  list_.reference_.resize(reference_size_);
}

void ParameterList::add(std::string_view name, std::string_view reference, Tensor& value,
                        ReferenceLayout layout, Training training) {
  const Scope scope(*this, name, reference);
  parameters_.push_back({name_, reference_, layout, training, &value});
}

Tensor from_reference(const Tensor& theirs, ReferenceLayout layout) {
  const NoGradScope off;
  switch (layout) {
    case ReferenceLayout::same:
      return theirs.clone();
    case ReferenceLayout::conv:
      return ops::permute(theirs, {0, 2, 3, 1});
    case ReferenceLayout::nin:
      break;
  }
  return ops::permute(theirs, {1, 0});
}

Tensor to_reference(const Tensor& ours, ReferenceLayout layout) {
  const NoGradScope off;
  switch (layout) {
    case ReferenceLayout::same:
      return ours.clone();
    case ReferenceLayout::conv:
      return ops::permute(ours, {0, 3, 1, 2});
    case ReferenceLayout::nin:
      break;
  }
  return ops::permute(ours, {1, 0});
}

}  // namespace ito::nn
