#include "tools/data/planar.h"
#include "tests/fuzz/input.h"

using namespace ito;

ITO_FUZZ_TARGET(input) {
  const fuzz::MemoryFile file(input);
  data::read_planar(file.path(), data::Split::train, 2, 10);
}
