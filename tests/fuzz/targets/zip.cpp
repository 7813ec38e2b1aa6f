#include "tests/fuzz/input.h"
#include "tools/data/dataset.h"

using namespace ito;

ITO_FUZZ_TARGET(input) {
  const fuzz::MemoryFile file(input);
  const auto set =
      data::open_dataset({.name = "zip", .path = file.path().string(), .image_size = 4}, {});
  for (int64_t i = 0; i < set->size(); ++i) set->pixels(i);
}
