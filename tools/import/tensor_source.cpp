#include "tools/import/tensor_source.h"

#include <utility>
#include <vector>

#include "engine/autograd/autograd.h"
#include "engine/io/safetensors.h"
#include "kernels/cast/op.h"
#include "kernels/reshape/op.h"

namespace ito::tools {
namespace {

constexpr std::string_view kModule = "module.";  // of DataParallel

/// Tensors that do not fit in one way: what is said of the first, and how many they are.
class Misfits {
 public:
  explicit Misfits(std::string kind) : kind_(std::move(kind)) {}
  void add(const std::string& fact) {
    if (count_++ == 0) first_ = fact;
  }
  void refuse(const std::filesystem::path& file) const {
    if (count_ == 0) return;
    other_configuration(file, first_ + " (" + std::to_string(count_) + " " + kind_ + ")");
  }

 private:
  std::string kind_, first_;
  int64_t count_ = 0;
};

struct Pair {
  nn::Parameter parameter;
  Origin origin;
  const SourceTensor* tensor = nullptr;
};

Shape shape_in_file(const nn::Parameter& p, nn::ReferenceLayout layout) {
  const Shape& s = p.value->shape();
  switch (layout) {
    case nn::ReferenceLayout::same:
      return s;
    case nn::ReferenceLayout::conv:
      return {s[0], s[3], s[1], s[2]};
    case nn::ReferenceLayout::nin:
      break;
  }
  return {s[1], s[0]};
}

bool fits(const Shape& found, const Shape& needed) {
  if (found == needed) return true;
  return needed.rank() == 2 && found == Shape{needed[0], needed[1], 1, 1};
}

/// Every parameter with its tensor, and no tensor left over.
std::vector<Pair> match(nn::Network& network, const TensorSource& source,
                        const OriginOf& origin_of) {
  std::vector<Pair> pairs;
  Misfits unknown("unknown"), missing("missing");
  std::map<std::string, SourceTensor> rest = source.tensors;
  for (const nn::Parameter& p : nn::parameters_of(network)) {
    Origin origin = origin_of(p);
    const auto found = source.tensors.find(origin.name);
    if (found == source.tensors.end()) {
      missing.add("has no tensor " + origin.name);
      continue;
    }
    rest.erase(origin.name);
    pairs.push_back({p, std::move(origin), &found->second});
  }
  for (const auto& [name, tensor] : rest) {
    unknown.add("has a tensor that the network does not know, " + name);
  }
  unknown.refuse(source.path);
  missing.refuse(source.path);
  return pairs;
}

}  // namespace

void other_configuration(const std::filesystem::path& file, const std::string& fact) {
  fail(ErrorCode::file_mismatch, file.string(), fact,
       "give the --preset, or --config and --set, that the checkpoint was trained with");
}

TensorSource safetensors_source(const std::filesystem::path& file) {
  TensorSource source{file, {}};
  for (const auto& entry : read_safetensors(file).tensors) {
    const Tensor t = entry.second;
    source.tensors[entry.first] = {[t] { return t.shape(); }, [t] { return t.dtype(); },
                                   [t] { return t; }};
  }
  return source;
}

SourceTensor torch_tensor(const std::shared_ptr<const TorchFile>& file, const Value& value,
                          const std::string& name) {
  const Value* v = &value;  // lives as long as the file
  return {[=] { return file->shape(*v, name); }, [=] { return file->dtype(*v, name); },
          [=] { return file->read(*v, name); }};
}

TensorSource torch_source(const std::shared_ptr<const TorchFile>& file, const Value& dict) {
  TensorSource source{file->path(), {}};
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const std::string name = file->at(dict.items[i]).text;
    const Value& value = file->at(dict.items[i + 1]);
    const bool added = source.tensors.emplace(name, torch_tensor(file, value, name)).second;
    if (!added) other_configuration(file->path(), "has two tensors " + name);
  }
  return source;
}

void remove_module_prefix(TensorSource& source) {
  std::map<std::string, SourceTensor> bare;
  for (const auto& [name, tensor] : source.tensors) {
    if (name.starts_with(kModule)) bare[name.substr(kModule.size())] = tensor;
  }
  if (bare.empty()) return;
  if (bare.size() != source.tensors.size()) {
    other_configuration(source.path, "has names with and without \"module.\"");
  }
  source.tensors = std::move(bare);
}

void check_names(nn::Network& network, const TensorSource& source, const OriginOf& origin_of) {
  match(network, source, origin_of);
}

void fill_network(nn::Network& network, const TensorSource& source, const OriginOf& origin_of) {
  const NoGradScope off;
  const std::vector<Pair> pairs = match(network, source, origin_of);
  Misfits shapes("of another shape"), types("not floating");
  for (const auto& [parameter, origin, tensor] : pairs) {
    const Shape found = tensor->shape(), needed = shape_in_file(parameter, origin.layout);
    if (!fits(found, needed)) {
      shapes.add(origin.name + " has shape " + to_string(found) + ", the network needs " +
                 to_string(needed));
    } else if (!is_floating(tensor->dtype())) {
      types.add(origin.name + " is not floating");
    }
  }
  shapes.refuse(source.path);
  types.refuse(source.path);
  for (const auto& [parameter, origin, tensor] : pairs) {
    const Tensor theirs = ops::reshape(tensor->read(), shape_in_file(parameter, origin.layout));
    const Tensor value = nn::from_reference(theirs, origin.layout);
    parameter.value->detach().copy_from(ops::cast(value, parameter.value->dtype()));
  }
}

}  // namespace ito::tools
