// The names of a U-Net's parameters, ours and the reference's (its flat list all_modules, in the
// order of construction).
#include "models/unet/unet.h"

namespace ito::nn {
namespace {

/// Counts the entries of all_modules; some entries hold no parameters.
class Modules {
 public:
  std::string next() { return std::to_string(index_++); }

 private:
  int index_ = 0;
};

void list_resampling(ParameterList& list, std::string_view name, Modules& modules,
                     std::variant<ResBlock, Resample>& part) {
  std::visit([&](auto& p) { list.part(name, modules.next(), p); }, part);
}

void list_down(ParameterList& list, Modules& modules, DownLevel& level) {
  for (size_t b = 0; b < level.blocks.size(); ++b) {
    const std::string at = std::to_string(b);
    list.part("block." + at, modules.next(), level.blocks[b].block);
    if (level.blocks[b].attention)
      list.part("attention." + at, modules.next(), *level.blocks[b].attention);
  }
  if (!level.down) return;
  list_resampling(list, "down", modules, *level.down);
  if (level.combine) list.part("combine", modules.next() + ".Conv_0", *level.combine);
  if (level.pyramid) list.part("pyramid", modules.next(), *level.pyramid);
}

void list_up(ParameterList& list, Modules& modules, UpLevel& level) {
  const bool every = level.blocks.front().attention && level.blocks.size() > 1;
  for (size_t b = 0; b < level.blocks.size(); ++b) {
    const std::string at = std::to_string(b);
    list.part("block." + at, modules.next(), level.blocks[b].block);
    if (!level.blocks[b].attention) continue;
    list.part(every ? "attention." + at : "attention", modules.next(), *level.blocks[b].attention);
  }
  if (level.pyramid_norm) list.part("pyramid_norm", modules.next(), *level.pyramid_norm);
  if (level.pyramid_conv) list.part("pyramid_conv", modules.next(), *level.pyramid_conv);
  if (level.pyramid) list.part("pyramid", modules.next(), *level.pyramid);
  if (level.up) list_resampling(list, "up", modules, *level.up);
}

}  // namespace

void UNet::list(ParameterList& list) {
  const ParameterList::Scope scope(list, "", "all_modules");
  Modules modules;
  {
    const ParameterList::Scope embedding(list, "embedding", "");
    if (embedding_.kind == TimeEmbedding::Kind::fourier) {
      list.add("frequencies", modules.next() + ".W", embedding_.frequencies, ReferenceLayout::same,
               Training::frozen);
    }
    if (embedding_.linear0) {
      list.part("linear0", modules.next(), *embedding_.linear0);
      list.part("linear1", modules.next(), *embedding_.linear1);
    }
    if (embedding_.classes) list.add("classes", "classes", embedding_.classes);
  }
  list.part("input", modules.next(), input_);
  for (size_t l = 0; l < down_.size(); ++l) {
    const ParameterList::Scope level(list, "down." + std::to_string(l), "");
    list_down(list, modules, down_[l]);
  }
  list.part("middle.block.0", modules.next(), middle0_);
  list.part("middle.attention", modules.next(), middle_attention_);
  list.part("middle.block.1", modules.next(), middle1_);
  for (size_t i = 0; i < up_.size(); ++i) {
    const ParameterList::Scope level(list, "up." + std::to_string(up_.size() - 1 - i), "");
    list_up(list, modules, up_[i]);
  }
  if (!output_) return;
  list.part("output.norm", modules.next(), *output_norm_);
  list.part("output.conv", modules.next(), *output_);
}

}  // namespace ito::nn
