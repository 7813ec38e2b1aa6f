// Settings as JSON, one object per section: how checkpoints carry their configuration.
#pragma once

#include <string>
#include <string_view>

#include "engine/core/settings.h"

namespace ito {

std::string settings_to_json(const Settings& settings);
/// `subject` (a file) stands in the errors. Throws UserError(file_corrupt).
Settings settings_from_json(std::string_view text, std::string_view subject);

}  // namespace ito
