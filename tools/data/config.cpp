#include "tools/data/config.h"

#include "engine/core/check.h"

namespace ito::data {

void DataConfig::validate() const {
  const auto check = [](bool good, const char* key, int value, const char* fix) {
    if (!good) fail(ErrorCode::bad_value, key, "is " + std::to_string(value), fix);
  };
  check(image_size >= 0 && image_size <= 1024, "data.image_size", image_size,
        "give 1 to 1024 pixels, or 0 for the size that the data set has");
  check(channels == 0 || channels == 1 || channels == 3, "data.channels", channels,
        "give 1 (grey), 3 (RGB), or 0 for what the data set has");
  check(classes >= 0 && classes <= 256, "data.classes", classes,
        "give 1 to 256 classes, or 0 for what the data set has");
}

}  // namespace ito::data
