#include "tools/data/config.h"

#include "engine/core/check.h"

namespace ito::data {

void DataConfig::fields(Fields& f) {
  f.section("data");
  f.add("name", &name,
        "digits, mnist, cifar10, folder, zip, npz, csv, packed, ..., a 2-D toy, or auto");
  f.add("path", &path, "folder or file; not used by generated sets");
  f.add("image_size", &image_size, "height = width in pixels; 0: what the set has");
  f.add("channels", &channels, "1 grey, 2 points, 3 RGB; 0: what the set has");
  f.add("centered", &centered, "data in [-1, 1] instead of [0, 1]");
  f.add("random_flip", &random_flip, "mirror left-right with probability 1/2");
  f.add("uniform_dequantization", &uniform_dequantization,
        "x = (255 x + u) / 256, u uniform in [0, 1)");
  f.add("gaussian_dequantization", &gaussian_dequantization, "x + 0.01 z, z normal");
  f.add("logit_transform", &logit_transform,
        "logit(1e-6 + (1 - 2e-6) x); only without centered, so for the VE SDE");
  f.add("classes", &classes, "number of classes; 0: what the set has");
}

void DataConfig::validate() const {
  const auto check = [](bool good, const char* key, int value, const char* fix) {
    if (!good) fail(ErrorCode::bad_value, key, "is " + std::to_string(value), fix);
  };
  check(image_size >= 0 && image_size <= 1024, "data.image_size", image_size,
        "give 1 to 1024 pixels, or 0 for the size that the data set has");
  check(channels >= 0 && channels <= 3, "data.channels", channels,
        "give 1 (grey), 2 (points), 3 (RGB), or 0 for what the data set has");
  check(classes >= 0 && classes <= 256, "data.classes", classes,
        "give 1 to 256 classes, or 0 for what the data set has");
  const auto exclude = [](bool both, const char* key, const char* other) {
    if (!both) return;
    fail(ErrorCode::bad_combination, key, std::string("is true together with ") + other,
         std::string("set one of ") + key + " and " + other + " to false");
  };
  exclude(uniform_dequantization && gaussian_dequantization, "data.gaussian_dequantization",
          "data.uniform_dequantization");
  exclude(logit_transform && gaussian_dequantization, "data.logit_transform",
          "data.gaussian_dequantization");
  exclude(logit_transform && centered, "data.logit_transform", "data.centered");
}

}  // namespace ito::data
