// Features of images: of a classifier of ours, and of the Inception network.
#pragma once

#include <functional>
#include <string_view>

#include "models/inception/inception.h"
#include "sde/training/trained_network.h"
#include "tools/metrics/image_set.h"

namespace ito::metrics {

/// Features, and the logits that belong to them.
struct NetworkFeatures {
  Tensor pool;    ///< f32 [N, d] on the CPU
  Tensor logits;  ///< f32 [N, K] on the CPU
};

/// How images come to 299 x 299 pixels. The choice moves FID by more than many a difference that
/// papers report (Parmar et al. 2022), so it is printed beside the number.
enum class Resize : uint8_t {
  tf1,         ///< pixel i of the result at i n / 299 of the image: as in TensorFlow's 2015 graph
  half_pixel,  ///< bilinear between pixel centres: as pytorch-fid does
  antialias,   ///< bicubic, as wide as the target's pixels: as clean-fid does
};
/// "tf1", "half-pixel" or "antialias". Throws UserError(bad_value) naming --resize.
Resize resize_by_name(const std::string& name);

struct FeatureOptions {
  int64_t batch = 32;  ///< images computed together; never changes results
  Device device = kCpu;
  std::function<void(int64_t done)> progress = {};
};

/// Images [first, first + count) as the network wants them: f32 [count, 299, 299, 3] in [-1, 1],
/// (v - 127.5) / 127.5 of resized bytes v; grey images three times over.
Tensor inception_input(const ImageSet& images, int64_t first, int64_t count, Resize resize);

/// pool_3 and the logits of the Inception score.
NetworkFeatures inception_features(const nn::Inception& network, const ImageSet& images,
                                   Resize resize, const FeatureOptions& options);

/// Features before the last layer and logits, at the least noise that the classifier was trained
/// on. Throws UserError(bad_combination) for images of another shape than the classifier's.
NetworkFeatures classifier_features(const sde::Classifier& classifier, const ImageSet& images,
                                    const FeatureOptions& options);

}  // namespace ito::metrics
