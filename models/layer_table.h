// A network as a table of layers.
#pragma once

#include <string>
#include <vector>

#include "models/config.h"
#include "models/network.h"

namespace ito::nn {

/// Parameters that belong together: a convolution's weight and bias, an affine norm.
struct LayerRow {
  std::string name;        ///< "down.0.block.1.conv0"
  Shape output;            ///< for one image; [] where the network does not use the layer
  int64_t parameters = 0;  ///< frozen ones included
};

/// The layers in the order in which the network lists them. The output shapes are read off the
/// tapes of passes over two small images, whose cost does not matter, and extrapolated: a
/// convolutional network's sizes are proportional to the image's. Marks the parameters as leaves of
/// the tape.
std::vector<LayerRow> layer_table(Network& network, const ImageConfig& image);

}  // namespace ito::nn
