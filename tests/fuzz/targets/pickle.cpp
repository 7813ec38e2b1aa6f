#include "tools/import/pickle.h"
#include "tests/fuzz/input.h"

ITO_FUZZ_TARGET(input) { ito::tools::read_pickle(input, "input", "data.pkl"); }
