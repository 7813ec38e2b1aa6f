#include "tests/fuzz/input.h"
#include "tools/data/dataset.h"

using namespace ito;

ITO_FUZZ_TARGET(input) {
  const fuzz::MemoryFile file(input);
  const auto set = data::open_dataset({.name = "npz", .path = file.path().string()}, {});
  set->pixels(set->size() - 1);
}
