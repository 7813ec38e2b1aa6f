// Whether bytes from outside are text.
#pragma once

#include <cstddef>
#include <string_view>

namespace ito {

/// Bytes of the UTF-8 sequence at the start of `text`, 0 if there is none (RFC 3629, table 3-7 of
/// the Unicode standard: no overlong forms, no surrogates, nothing above U+10FFFF).
size_t utf8_length(std::string_view text);

bool is_utf8(std::string_view text);

}  // namespace ito
