#include "tools/data/csv.h"
#include "tests/fuzz/input.h"

ITO_FUZZ_TARGET(input) {
  ito::data::parse_points({reinterpret_cast<const char*>(input.data()), input.size()}, "input");
}
