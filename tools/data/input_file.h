// Reading files from outside: nothing in them is trusted, and memory grows only with bytes that are
// really there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ito::data {

/// Reads a file from its start, unpacking gzip on the way if the content (not the name) is gzip.
/// Members throw UserError: file_missing if it cannot be opened or read, file_truncated or
/// file_corrupt for a gzip stream that is cut short or damaged.
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  /// Up to `limit` further bytes; fewer only at the end of the content.
  std::vector<uint8_t> read(uint64_t limit);
  /// Exactly `count` further bytes, otherwise file_truncated with the bytes found and the `total`
  /// that the content needs from its start.
  std::vector<uint8_t> read_exactly(uint64_t count, uint64_t total);
  /// Throws file_corrupt if content is left, and checks the sum at the end of a gzip stream.
  void expect_end();

  uint64_t position() const { return position_; }  ///< bytes of (unpacked) content read so far
  const std::filesystem::path& path() const { return path_; }

 private:
  class Source;
  class RawSource;
  class GzipSource;

  std::filesystem::path path_;
  std::unique_ptr<Source> source_;
  uint64_t position_ = 0;
};

/// The largest file that holds one picture, in bytes.
inline constexpr uint64_t kMaxPictureBytes = uint64_t(256) << 20;
/// The bytes of a file that shall be a picture of `format` ("PNG"). Throws UserError: file_missing,
/// file_truncated for no byte at all, file_mismatch beyond kMaxPictureBytes.
std::vector<uint8_t> read_picture_file(const std::filesystem::path& path, const char* format);

/// SHA-256 of a file's bytes as they are, as `sha256sum` prints it. Throws UserError(file_missing).
std::string file_sha256(const std::filesystem::path& file);

/// The largest content that one data set may have, in bytes: what a header may promise at most.
inline constexpr uint64_t kMaxContentBytes = uint64_t(4) << 30;

}  // namespace ito::data
