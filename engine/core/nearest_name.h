// Suggestions for misspelt names in error messages.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ito {

/// The entry of `names` with the smallest edit distance (Levenshtein 1966) to `name`; the first of
/// several. Empty if there are no names.
std::string_view nearest_name(std::string_view name, std::span<const std::string_view> names);

/// "use ve (the nearest) or one of: ve, vp, subvp": the fix of an error about an unknown name.
std::string nearest_name_fix(std::string_view name, std::span<const std::string_view> names);

}  // namespace ito
