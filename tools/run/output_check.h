// Refuses places that cannot be written to before the work whose result they take. What is asked
// leaves nothing behind.
#pragma once

#include <filesystem>
#include <string>

namespace ito::tools {

/// Refuses a file that cannot be written: no folder, no permission, a name that is too long, a
/// folder, a device or a pipe (which writing would replace). Throws UserError(write_failed).
void check_output_file(const std::string& file);

/// Refuses a folder that cannot be made, or cannot be written to if it is there: something else has
/// its name, or that of a folder above it; no permission. Throws UserError(write_failed).
void check_output_folder(const std::filesystem::path& folder);

}  // namespace ito::tools
