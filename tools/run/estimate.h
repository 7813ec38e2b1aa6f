// What training and sampling of a configuration need, before anything of it exists.
#pragma once

#include <cstdint>

#include "models/layer_table.h"
#include "tools/config/config.h"

namespace ito::tools {

/// Memory in bytes. Activations are counted on the device `meta`; the scratch memory of kernels,
/// some MiB per thread, comes on top.
class Estimate {
 public:
  /// Takes a network with or without numbers.
  Estimate(const nn::Network& network, const Config& config);

  int64_t parameters() const { return parameters_; }
  double flops() const { return one_.flops; }  ///< forward pass of one image
  /// Weights, gradients, both moments and the average of the weights; a pass over `images`, in
  /// bf16 if train.precision says so, which takes a copy of the weights in bf16.
  int64_t training_bytes(int64_t images) const;
  /// Weights, those of convolutions and linear layers once more in the order that kernels read,
  /// state, and a pass without tape. Winograd's algorithm (--math fast) keeps four times as much of
  /// those of convolutions.
  int64_t sampling_bytes(int64_t images) const;
  /// The most images that fit into `memory` bytes; 0 if one is too many.
  int64_t most_training(int64_t memory) const;
  int64_t most_sampling(int64_t memory) const;
  /// Images per second in training, from the floating-point operations and `rate`.
  double training_speed(double rate) const;

 private:
  nn::Footprint footprint(const nn::Network& network, int64_t images) const;

  std::unique_ptr<nn::Network> network_;  // without numbers
  std::unique_ptr<nn::Network> copy_;     // in bf16, or null
  nn::ImageConfig image_;
  Activations activations_;
  int64_t parameters_ = 0, packed_ = 0;  // packed_: weights that are kept packed
  nn::Footprint one_;
};

/// Floating-point operations per second that a convolution of `channels` and its gradients reach on
/// this machine: the best of turns, until 0.03 s bring no 1 % more, or for 0.3 s.
double measured_rate(int channels);

/// Memory that the operating system can hand out now; 0 where it does not say.
int64_t available_memory();

}  // namespace ito::tools
