#include "tools/data/config.h"

#include "engine/core/check.h"

namespace ito::data {

void DataConfig::fields(Fields& f) {
  f.section("data");
  f.add("name", &name, "digits, mnist, cifar10, ..., or a 2-D toy");
  f.add("path", &path, "folder or file; not used by generated sets");
  f.add("image_size", &image_size, "height = width in pixels; 0: what the set has");
  f.add("channels", &channels, "1 grey, 2 points, 3 RGB; 0: what the set has");
  f.add("centered", &centered, "data in [-1, 1] instead of [0, 1]");
  f.add("random_flip", &random_flip, "mirror left-right with probability 1/2");
  f.add("uniform_dequantization", &uniform_dequantization,
        "x = (255 x + u) / 256, u uniform in [0, 1)");
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
}

}  // namespace ito::data
