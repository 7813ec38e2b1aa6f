#include "models/make.h"

#include "models/mlp.h"
#include "models/refinenet/refinenet.h"
#include "models/unet/unet.h"

namespace ito::nn {

std::unique_ptr<Network> make_network(const ModelConfig& model, const ImageConfig& image,
                                      uint64_t seed) {
  model.validate();
  if (model.name == "mlp") return std::make_unique<Mlp>(model, image, seed);
  if (model.name.starts_with("ncsn") && model.name != "ncsnpp") {
    return std::make_unique<RefineNet>(model, image, seed);
  }
  return std::make_unique<UNet>(model, image, seed);
}

}  // namespace ito::nn
