#include "tests/fuzz/input.h"
#include "tools/data/labels_file.h"

ITO_FUZZ_TARGET(input) {
  const std::string names[] = {"a.png", "b/c.png"};
  ito::data::labels_of(names, input, "input");
}
