#include "tools/data/jpeg.h"
#include "tests/fuzz/input.h"

ITO_FUZZ_TARGET(input) { ito::data::decode_jpeg(input, "input"); }
