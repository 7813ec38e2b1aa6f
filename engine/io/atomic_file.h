// Output files that are either whole or absent: readers and interrupted runs never see half a file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <system_error>

namespace ito {

/// Writes `bytes` to a temporary sibling, syncs it, renames it to `path` and syncs the folder. A
/// file that was there stays as it is until the rename, which replaces it in one step (a symbolic
/// link is replaced, not followed). The folder must exist.
/// Throws UserError write_failed, the temporary removed and the old file untouched; so it is for
/// devices and pipes. Thread-safe. A process that is killed leaves at most a
/// `<name>.tmp-<pid>-<n>` behind.
void write_file_atomically(const std::filesystem::path& path, std::span<const uint8_t> bytes);

/// Why write_file_atomically could not make its temporary beside `path`, found by making and
/// removing one (permissions say nothing of a file system such as /proc); no error if it can.
std::error_code temporary_error(const std::filesystem::path& path);

/// The file for which `name` is the temporary of a write that was killed, as left behind by
/// write_file_atomically: "a.json" for "a.json.tmp-17-0"; empty if it is none. Whoever knows that
/// nobody writes in a folder any more may remove them.
std::string_view target_of_temporary(std::string_view name);

}  // namespace ito
