#include "tests/fuzz/input.h"
#include "tools/import/diffusers_config.h"

using namespace ito;

ITO_FUZZ_TARGET(input) {
  const fuzz::MemoryFile file(input);
  const tools::JsonObject object(file.path());
  fuzz::attempt([&] { tools::model_settings(object); });
  fuzz::attempt([&] { tools::sde_settings(object); });
}
