// What a network is made of. Names and values are the reference implementation's where it has them.
#pragma once

#include <string>
#include <vector>

#include "engine/core/settings.h"

namespace ito::nn {

/// Section [model] of a configuration.
struct ModelConfig {
  std::string name = "ncsnpp";               ///< ncsnpp (NCSN++ and DDPM++), ddpm, ncsn,
                                             ///< ncsnv2_64, ncsnv2_128, ncsnv2_256, mlp or
                                             ///< wideresnet (a classifier)
  int nf = 128;                              ///< channels of the first level; wideresnet:
                                             ///< frequencies of the embedding
  std::vector<int> ch_mult = {1, 2, 2, 2};   ///< channels of each level, in multiples of nf
  int num_res_blocks = 4;                    ///< residual blocks per level
  std::vector<int> attn_resolutions = {16};  ///< attention after the blocks at these image sizes
  std::string up_attention = "last";  ///< on the way up: after the last block of a level (Song et
                                      ///< al.), or after every block (Ho et al.)
  double dropout = 0.1;
  bool resamp_with_conv = true;  ///< ddpm blocks: convolution in the up- and downsampling
  bool conditional = true;       ///< false: no noise label enters the network
  bool fir = false;              ///< resample with fir_kernel instead of nearest / 2x2 mean
  std::vector<double> fir_kernel = {1, 3, 3, 1};
  bool skip_rescale = true;                   ///< residual sums times 1 / sqrt(2)
  std::string resblock_type = "biggan";       ///< biggan, ddpm
  std::string progressive = "none";           ///< output pyramid: none, output_skip, residual
  std::string progressive_input = "none";     ///< input pyramid: none, input_skip, residual
  std::string progressive_combine = "sum";    ///< sum, cat
  std::string embedding_type = "positional";  ///< positional, fourier
  double fourier_scale = 16;
  double init_scale = 0;               ///< of the last convolution in a block; 0 stands for 1e-10
  bool scale_by_sigma = false;         ///< divide the output by sigma
  std::string nonlinearity = "swish";  ///< swish, elu, relu, lrelu
  bool learned_variance = false;       ///< twice the output channels: noise, then variances (iDDPM)
  bool energy = false;                 ///< the output is -grad of an energy made of the network
  std::string energy_output = "score";  ///< of an energy: score, -dE/dx; noise, dE/dx
  int num_classes = 0;    ///< of a classifier, 0: what the data set has; of ncsnpp, ddpm and mlp:
                          ///< classes that the network is told, 0: none
  int depth = 28;         ///< wideresnet: 4 + 6 times the blocks per group
  int widen_factor = 10;  ///< wideresnet: k, for 16 k, 32 k and 64 k channels

  /// Channels of the output for images of `channels`.
  int output_channels(int channels) const { return learned_variance ? 2 * channels : channels; }

  void fields(Fields& f);  ///< section [model]
  /// Throws UserError(bad_value) naming the key.
  void validate() const;
};

/// What a network sees of the data, and the noise levels it divides by.
struct ImageConfig {
  int image_size = 32;
  int channels = 3;
  bool centered = true;  ///< data in [-1, 1]; else in [0, 1], and the network maps x to 2x - 1
  double sigma_min = 0.01, sigma_max = 50;  ///< for scale_by_sigma with positional labels
  int num_scales = 1000;

  void fields(Fields& f);  ///< keys of the sections [data] and [sde]
};

}  // namespace ito::nn
