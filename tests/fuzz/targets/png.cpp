#include "tools/data/png.h"
#include "tests/fuzz/input.h"

ITO_FUZZ_TARGET(input) { ito::data::decode_png(input, "input"); }
