#include "engine/io/settings_json.h"
#include "tests/fuzz/input.h"

ITO_FUZZ_TARGET(input) {
  ito::settings_from_json({reinterpret_cast<const char*>(input.data()), input.size()}, "input");
}
