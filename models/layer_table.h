// A network as a table of layers, and what a pass through it needs. Counted on the device `meta`:
// no memory is taken and nothing is computed, whatever the size of the network.
#pragma once

#include <string>
#include <vector>

#include "models/config.h"
#include "models/network.h"

namespace ito::nn {

/// Parameters that belong together (a convolution's weight and bias, an affine norm) and the ops
/// that use them, with those that follow up to the next layer.
struct LayerRow {
  std::string name;        ///< "down.0.block.1.conv0"
  Shape output;            ///< for one image; [] where the network does not use the layer
  int64_t parameters = 0;  ///< frozen ones included
  double flops = 0;        ///< of the forward pass over one image; a multiply-add counts two
  int64_t kept_bytes = 0;  ///< of activations that training keeps here, f32, one image
};

/// The layers in the order in which the network lists them.
std::vector<LayerRow> layer_table(const Network& network, const ImageConfig& image);

/// What a pass over a batch needs besides the parameters and what the optimizer keeps.
struct Footprint {
  double flops = 0;            ///< of the forward pass
  int64_t sampling_bytes = 0;  ///< highest use in a forward pass without tape
  int64_t training_bytes = 0;  ///< in a forward and a backward pass that hands its gradients over
};
/// Bytes as the allocator counts them, without the scratch memory of kernels.
Footprint footprint(const Network& network, const ImageConfig& image, int64_t batch,
                    Activations activations = Activations::keep);

}  // namespace ito::nn
