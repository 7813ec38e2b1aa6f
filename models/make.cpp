#include "models/make.h"

#include "models/classifier/wide_resnet.h"
#include "models/energy.h"
#include "models/mlp.h"
#include "models/refinenet/refinenet.h"
#include "models/unet/unet.h"

namespace ito::nn {

namespace {

std::unique_ptr<Network> make_plain(const ModelConfig& model, const ImageConfig& image, Init init) {
  if (model.name == "mlp") return std::make_unique<Mlp>(model, image, init);
  if (model.name == "wideresnet") return std::make_unique<WideResNet>(model, image, init);
  if (model.name.starts_with("ncsn") && model.name != "ncsnpp") {
    return std::make_unique<RefineNet>(model, image, init);
  }
  return std::make_unique<UNet>(model, image, init);
}

}  // namespace

std::unique_ptr<Network> make_network(const ModelConfig& model, const ImageConfig& image,
                                      Init init) {
  model.validate();
  auto network = make_plain(model, image, init);
  if (!model.energy) return network;
  const bool noise = model.energy_output == "noise";
  return std::make_unique<EnergyNetwork>(std::move(network),
                                         noise ? EnergyOutput::noise : EnergyOutput::score);
}

std::unique_ptr<Network> make_network_shapes(const ModelConfig& model, const ImageConfig& image) {
  auto network = make_network(model, image, Init::shapes_only());
  move_to(*network, kMeta);  // biases and norms are made without an Init
  return network;
}

}  // namespace ito::nn
