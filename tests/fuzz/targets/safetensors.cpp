#include "engine/io/safetensors.h"
#include "tests/fuzz/input.h"

ITO_FUZZ_TARGET(input) {
  const ito::fuzz::MemoryFile file(input);
  ito::read_safetensors(file.path());
}
