// The section `data` of a configuration.
#pragma once

#include <string>

#include "engine/core/settings.h"

namespace ito::data {

/// Which data set to open and how batches of it are made. Keys are the names of the fields.
struct DataConfig {
  std::string name = "digits";           ///< one of dataset_names()
  std::string path = "";                 ///< folder or file; not used by the generated sets
  int image_size = 0;                    ///< height = width in pixels; 0: the size that the set has
  int channels = 0;                      ///< 1 grey or 3 RGB; 0: what the set has
  bool centered = false;                 ///< images in [-1, 1] instead of [0, 1]
  bool random_flip = false;              ///< mirror left-right with probability 1/2
  bool uniform_dequantization = false;   ///< x = (255 x + u) / 256 with u uniform in [0, 1)
  bool gaussian_dequantization = false;  ///< x + 0.01 z with z normal
  bool logit_transform = false;  ///< logit(1e-6 + (1 - 2e-6) x); the data has no bounds then
  int classes = 0;               ///< number of classes; 0: what the set has

  void fields(Fields& f);  ///< section [data]
  /// Throws UserError bad_value naming the key that is out of range, and bad_combination for two
  /// ways of dequantisation and for a logit of what is centered or has Gaussian noise.
  void validate() const;
};

}  // namespace ito::data
