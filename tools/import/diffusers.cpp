#include "tools/import/diffusers.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "engine/autograd/autograd.h"
#include "kernels/concat/op.h"
#include "kernels/slice/op.h"

namespace ito::tools {
namespace {

namespace fs = std::filesystem;
constexpr int kMostChannels = 1 << 16;
using Names = std::pair<std::string_view, std::string_view>;  // ours, theirs

constexpr Names kResBlock[] = {{"norm0", "norm1"}, {"conv0", "conv1"}, {"dense0", "time_emb_proj"},
                               {"norm1", "norm2"}, {"conv1", "conv2"}, {"skip", "conv_shortcut"}};
constexpr Names kAttention[] = {{"norm", "group_norm"},
                                {"query", "to_q"},
                                {"key", "to_k"},
                                {"value", "to_v"},
                                {"out", "to_out.0"}};
/// Attention as older files name it.
constexpr Names kOlder[] = {{".query.", ".to_q."},
                            {".key.", ".to_k."},
                            {".value.", ".to_v."},
                            {".proj_attn.", ".to_out.0."}};

/// Reads a dotted name from the left.
class Path {
 public:
  explicit Path(std::string_view name) : rest_(name) {}
  std::string next() {
    const size_t dot = std::min(rest_.find('.'), rest_.size());
    const std::string part(rest_.substr(0, dot));
    rest_.remove_prefix(std::min(dot + 1, rest_.size()));
    return part;
  }
  std::string rest() const { return std::string(rest_); }
  bool starts_with(std::string_view text) const { return rest_.starts_with(text); }
  bool starts_with_digit() const { return !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9'; }

 private:
  std::string_view rest_;
};

template <size_t N>
std::string renamed(const Names (&table)[N], Path path) {
  const std::string part = path.next();
  for (const auto& [ours, theirs] : table) {
    if (part == ours) return std::string(theirs) + "." + path.rest();
  }
  return part + "." + path.rest();
}

/// What follows "down.L." or "up.L.", by the name of the level in diffusers.
std::string level_name(const std::string& base, bool highest, Path path) {
  const std::string part = path.next();
  if (part == "block") {
    const std::string index = path.next();
    return base + "resnets." + index + "." + renamed(kResBlock, path);
  }
  if (part == "attention") {
    const bool indexed = path.starts_with_digit();
    const std::string index = indexed ? path.next() : "0";
    return base + "attentions." + index + "." + renamed(kAttention, path);
  }
  if (part == "down" || part == "up") {
    if (path.starts_with("conv.")) return base + part + "samplers.0." + path.rest();
    return base + "resnet_" + part + "." + renamed(kResBlock, path);
  }
  if (part == "combine") return base + "skip_conv." + path.rest();
  const std::string kind = part == "pyramid_norm" ? "norm" : "conv";
  if (!highest) return base + "skip_" + kind + "." + path.rest();
  return (kind == "norm" ? "conv_norm_out." : "conv_out.") + path.rest();
}

/// One name for what different versions of diffusers name differently.
void rename_older(TensorSource& source) {
  std::map<std::string, SourceTensor> tensors;
  for (auto& [name, tensor] : source.tensors) {
    std::string newer = name;
    for (const auto& [old_part, new_part] : kOlder) {
      const size_t at = newer.find(old_part);
      if (at != std::string::npos) newer.replace(at, old_part.size(), new_part);
    }
    if (newer == "time_proj.W") {  // the frequencies under a second name
      if (source.tensors.contains("time_proj.weight")) continue;
      newer = "time_proj.weight";
    }
    if (!tensors.emplace(newer, tensor).second) {
      other_configuration(source.path, "has two tensors " + newer);
    }
  }
  source.tensors = std::move(tensors);
}

/// The first of the files that is there, or an empty path.
fs::path first_file(const fs::path& folder, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    std::error_code error;  // what cannot be looked at is not there
    if (fs::is_regular_file(folder / name, error)) return folder / name;
  }
  return {};
}

fs::path config_file(const fs::path& folder) {
  const fs::path file = first_file(folder, {"config.json", "unet/config.json"});
  if (!file.empty()) return file;
  fail(ErrorCode::file_missing, folder.string(), "has no config.json",
       "give a .pth or .safetensors file, or a folder that diffusers wrote");
}

TensorSource open_weights(const fs::path& folder) {
  const fs::path file =
      first_file(folder, {"diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"});
  if (file.empty()) {
    fail(ErrorCode::file_missing, folder.string(),
         "has no diffusion_pytorch_model.safetensors and no diffusion_pytorch_model.bin",
         "copy the weights beside config.json");
  }
  TensorSource source;
  if (file.extension() == ".safetensors") {
    source = safetensors_source(file);
  } else {
    const auto torch = std::make_shared<const TorchFile>(file);
    source = torch_source(torch, torch->root());
  }
  rename_older(source);
  return source;
}

}  // namespace

DiffusersFolder::DiffusersFolder(const fs::path& folder)
    : folder_(folder),
      config_(config_file(folder)),
      model_(model_settings(config_)),
      source_(open_weights(config_.path().parent_path())) {
  check_size();
}

std::optional<Settings> DiffusersFolder::sde() const {
  const fs::path file =
      first_file(folder_, {"scheduler_config.json", "scheduler/scheduler_config.json"});
  if (file.empty()) return {};
  return sde_settings(JsonObject(file));
}

/// The widest convolutions of every level must be there, in a file of at least their size.
void DiffusersFolder::check_size() const {
  const std::vector<int> widths = config_.integers("block_out_channels", 1, kMostChannels);
  const int blocks = config_.integer("layers_per_block", 1, 64, 2);
  double bytes = 0;
  for (size_t l = 0; l < widths.size(); ++l) {
    for (int b = 0; b < blocks; ++b) {
      const std::string name =
          "down_blocks." + std::to_string(l) + ".resnets." + std::to_string(b) + ".conv2.weight";
      const auto found = source_.tensors.find(name);
      if (found == source_.tensors.end()) {
        other_configuration(source_.path, "has no tensor " + name);
      }
      const Shape shape = found->second.shape(), needed{widths[l], widths[l], 3, 3};
      if (!(shape == needed)) {
        other_configuration(source_.path, name + " has shape " + to_string(shape) +
                                              ", config.json needs " + to_string(needed));
      }
      bytes += static_cast<double>(shape.numel());
    }
  }
  // No element type is smaller than two bytes.
  if (2 * bytes <= static_cast<double>(fs::file_size(source_.path))) return;
  fail(ErrorCode::file_corrupt, source_.path.string(), "has several tensors in one place",
       "write or copy the file again");
}

std::string diffusers_name(std::string_view ours, int levels) {
  Path path(ours);
  const std::string part = path.next();
  if (part == "input") return "conv_in." + path.rest();
  if (part == "embedding") {
    const std::string map = path.next();
    if (map == "frequencies") return "time_proj.weight";
    return (map == "linear0" ? "time_embedding.linear_1." : "time_embedding.linear_2.") +
           path.rest();
  }
  if (part == "output") {
    const std::string layer = path.next();
    return (layer == "norm" ? "conv_norm_out." : "conv_out.") + path.rest();
  }
  if (part == "middle") {
    return level_name("mid_block.", false, path);
  }
  const int level = std::stoi(path.next());
  const bool down = part == "down";
  const std::string index = std::to_string(down ? level : levels - 1 - level);
  return level_name(part + "_blocks." + index + ".", level == 0, path);
}

int64_t DiffusersFolder::load(nn::Network& network) const {
  const NoGradScope off;
  const auto levels = static_cast<int>(config_.texts("down_block_types").size());
  fill_network(network, source_, [&](const nn::Parameter& p) {
    const bool conv = p.value->shape().rank() == 4;
    return Origin{diffusers_name(p.name, levels),
                  conv ? nn::ReferenceLayout::conv : nn::ReferenceLayout::same};
  });
  const bool positional = config_.text("time_embedding_type", "positional") == "positional";
  if (!positional || !config_.flag("flip_sin_to_cos", true)) return std::ssize(source_.tensors);
  for (const nn::Parameter& p : nn::parameters_of(network)) {
    if (p.name != "embedding.linear0.weight") continue;
    const Tensor theirs = p.value->detach();  // [4 nf, nf]: cosines, sines
    const int64_t width = theirs.size(1), half = width / 2;
    p.value->detach().copy_from(
        ops::concat({ops::slice(theirs, 1, half, width), ops::slice(theirs, 1, 0, half)}, 1));
  }
  return std::ssize(source_.tensors);
}

}  // namespace ito::tools
