// Network: what trainers and samplers see of a model.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/core/tensor.h"
#include "kernels/common/segment.h"
#include "models/parameter.h"

namespace ito::nn {

/// How a forward pass runs. Dropout is off unless `dropout` is `on`.
struct ForwardOptions {
  enum class Dropout : uint8_t { off, on };
  Dropout dropout = Dropout::off;
  uint64_t seed = 0;    ///< of the dropout masks
  int64_t step = 0;     ///< training step: another one, other masks
  Tensor samples = {};  ///< i64 [N]: global sample indices, for the masks
  /// Gradient checkpointing: `recompute` keeps the inputs of every block alone and computes the
  /// block again when its gradient is taken. Same bits, about a third more time, less memory.
  Activations activations = Activations::keep;
  /// i64 [N]: class of each image in [0, classes()), or classes() for none. Undefined: none has
  /// one.
  Tensor classes = {};
};

class Network {
 public:
  virtual ~Network() = default;
  /// x [N, H, W, C] and labels [N] (sigma, 999 t, or the index of a noise level), both of the
  /// parameters' dtype (f32 for bf16 parameters). Returns a tensor like x, of twice the channels
  /// where variances are learned; a classifier returns logits [N, classes].
  virtual Tensor forward(const Tensor& x, const Tensor& labels,
                         const ForwardOptions& options = {}) const = 0;
  /// How many classes ForwardOptions::classes may tell apart; 0: the network takes none.
  virtual int classes() const { return 0; }
  /// Lists all parameters, in the order in which they were created.
  virtual void list(ParameterList& list) = 0;
  /// A network of the same structure that shares this one's tensors until they are rebound.
  virtual std::unique_ptr<Network> clone() const = 0;
};

std::vector<Parameter> parameters_of(Network& network);
int64_t count_parameters(Network& network, Training training);

/// Rebinds every parameter to a copy of another dtype (fp64 for checks, bf16 for speed). Frozen
/// ones are f32 in a bf16 network: frequencies rounded to 8 bits would turn Fourier phases by a
/// radian.
void convert(Network& network, DType dtype);

/// Rebinds every parameter to a copy on a device.
void move_to(Network& network, Device device);

/// Storage::keep_derived() for every parameter, and for what convert() and move_to() make of it:
/// convolutions keep their weights in the order that their kernels read, at the price of the memory
/// for it. For networks that only compute; training changes the weights at every step.
void keep_packed_weights(Network& network);

}  // namespace ito::nn
