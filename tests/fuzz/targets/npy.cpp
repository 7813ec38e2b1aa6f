#include "tests/fuzz/input.h"
#include "tools/data/npz.h"

ITO_FUZZ_TARGET(input) { ito::data::parse_npy(input, "input"); }
