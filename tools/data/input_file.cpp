#include "tools/data/input_file.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>

#include "engine/core/check.h"
#include "engine/io/sha256.h"

namespace ito::data {

namespace {

constexpr uint64_t kChunk = 1 << 20;

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

[[noreturn]] void fail_open(const std::filesystem::path& path, int error) {
  fail(ErrorCode::file_missing, path.string(),
       "cannot be opened: " + std::generic_category().message(error),
       error == ENOENT ? "check data.path, or copy the file there"
                       : "check that it may be read and is a plain file");
}

File open_file(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) fail_open(path, error ? error.value() : ENOENT);
  // Pipes and devices could block or never end.
  if (!std::filesystem::is_regular_file(status)) {
    fail_open(path, std::filesystem::is_directory(status) ? EISDIR : EINVAL);
  }
  File file(std::fopen(path.c_str(), "rbe"));
  if (!file) fail_open(path, errno);
  return file;
}

size_t read_some(std::FILE* file, const std::filesystem::path& path, uint8_t* out, size_t count) {
  const size_t found = std::fread(out, 1, count, file);
  if (found < count && std::ferror(file)) fail_open(path, errno);
  return found;
}

}  // namespace

class InputFile::Source {
 public:
  virtual ~Source() = default;
  /// Fewer than `count` bytes only at the end of the content.
  virtual size_t read(uint8_t* out, size_t count) = 0;
};

class InputFile::RawSource : public InputFile::Source {
 public:
  RawSource(File file, const std::filesystem::path& path) : file_(std::move(file)), path_(path) {}
  size_t read(uint8_t* out, size_t count) override {
    return read_some(file_.get(), path_, out, count);
  }

 private:
  File file_;
  const std::filesystem::path& path_;
};

/// RFC 1952, with several members one after the other as gzip itself accepts them.
class InputFile::GzipSource : public InputFile::Source {
 public:
  GzipSource(File file, const std::filesystem::path& path)
      : file_(std::move(file)), path_(path), input_(1 << 16) {
    constexpr int kGzipOnly = 16;
    ITO_CHECK(inflateInit2(&stream_, MAX_WBITS + kGzipOnly) == Z_OK, InternalError,
              "zlib must start");
  }
  ~GzipSource() override { inflateEnd(&stream_); }

  size_t read(uint8_t* out, size_t count) override {
    size_t found = 0;
    while (found < count) {
      const size_t step = std::min<size_t>(count - found, kChunk);
      const size_t got = inflate_some(out + found, step);
      if (got == 0) break;
      found += got;
    }
    return found;
  }

 private:
  /// At least one byte, or 0 at the end of the last member.
  size_t inflate_some(uint8_t* out, size_t count) {
    stream_.next_out = out;
    stream_.avail_out = static_cast<uInt>(count);
    while (stream_.avail_out == count) {
      if (stream_.avail_in == 0 && !refill()) {
        if (between_members_) return 0;
        fail(ErrorCode::file_truncated, path_.string(),
             "ends inside its gzip stream, after " + std::to_string(total_) + " unpacked bytes",
             "copy the file again");
      }
      if (between_members_) inflateReset(&stream_);
      const int status = inflate(&stream_, Z_NO_FLUSH);
      between_members_ = status == Z_STREAM_END;
      if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
        fail(ErrorCode::file_corrupt, path_.string(),
             "has a damaged gzip stream (" + std::string(stream_.msg ? stream_.msg : "zlib error") +
                 " after " + std::to_string(total_) + " unpacked bytes)",
             "copy the file again");
      }
    }
    total_ += count - stream_.avail_out;
    return count - stream_.avail_out;
  }

  bool refill() {
    stream_.next_in = input_.data();
    stream_.avail_in =
        static_cast<uInt>(read_some(file_.get(), path_, input_.data(), input_.size()));
    return stream_.avail_in > 0;
  }

  File file_;
  const std::filesystem::path& path_;
  std::vector<uint8_t> input_;
  z_stream stream_ = {};
  bool between_members_ = false;
  uint64_t total_ = 0;
};

InputFile::InputFile(const std::filesystem::path& path) : path_(path) {
  File file = open_file(path_);
  uint8_t magic[2] = {};
  const size_t found = read_some(file.get(), path_, magic, sizeof magic);
  std::rewind(file.get());
  const bool gzip = found == 2 && magic[0] == 0x1F && magic[1] == 0x8B;
  if (gzip) {
    source_ = std::make_unique<GzipSource>(std::move(file), path_);
  } else {
    source_ = std::make_unique<RawSource>(std::move(file), path_);
  }
}

InputFile::~InputFile() = default;

std::vector<uint8_t> InputFile::read(uint64_t limit) {
  std::vector<uint8_t> bytes;
  while (bytes.size() < limit) {
    // Doubling: memory follows what was found, whatever the limit.
    const size_t have = bytes.size();
    const size_t step = std::min<uint64_t>(limit - have, std::max<uint64_t>(have, kChunk));
    bytes.resize(have + step);
    const size_t found = source_->read(bytes.data() + have, step);
    position_ += found;
    if (found < step) {
      bytes.resize(have + found);
      break;
    }
  }
  return bytes;
}

std::vector<uint8_t> InputFile::read_exactly(uint64_t count, uint64_t total) {
  std::vector<uint8_t> bytes = read(count);
  if (bytes.size() < count) {
    fail(ErrorCode::file_truncated, path_.string(),
         "has " + std::to_string(position_) + " bytes, needs " + std::to_string(total),
         "copy the file again");
  }
  return bytes;
}

void InputFile::expect_end() {
  const uint64_t promised = position_;
  if (!read(1).empty()) {
    fail(ErrorCode::file_corrupt, path_.string(),
         "goes on after the " + std::to_string(promised) + " bytes that its header promises",
         "copy the file again, or check that it is the right file");
  }
}

std::vector<uint8_t> read_picture_file(const std::filesystem::path& path, const char* format) {
  std::vector<uint8_t> file = InputFile(path).read(kMaxPictureBytes + 1);
  if (file.empty()) {
    fail(ErrorCode::file_truncated, path.string(), "has 0 bytes",
         std::string("give a ") + format + " file");
  }
  if (file.size() > kMaxPictureBytes) {
    fail(ErrorCode::file_mismatch, path.string(), "has more than 256 MiB", "give a smaller image");
  }
  return file;
}

std::string file_sha256(const std::filesystem::path& path) {
  const File file = open_file(path);
  std::vector<uint8_t> piece(kChunk);
  Sha256 sum;
  while (const size_t found = read_some(file.get(), path, piece.data(), piece.size())) {
    sum.add(piece.data(), found);
  }
  return sum.text();
}

}  // namespace ito::data
