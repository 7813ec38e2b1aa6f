#include "tests/fuzz/input.h"
#include "tools/config/config.h"

using namespace ito;

ITO_FUZZ_TARGET(input) {
  tools::Config config;
  const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
  config.fields().apply(tools::settings_from_toml(text, "input"), "input");
  config.validate();
  // What is written can be read, and says the same.
  tools::Config again;
  again.fields().apply(tools::settings_from_toml(tools::to_toml(config), "again"), "again");
  if (again.settings() != config.settings()) std::abort();
}
