#include "tools/data/zip_file.h"

#include <zip.h>

#include <algorithm>
#include <mutex>

#include "engine/core/check.h"
#include "tools/data/input_file.h"

namespace ito::data {

namespace {

// Deflate makes at most 1032 bytes of one.
constexpr uint64_t kMostExpansion = 1032;
constexpr uint64_t kChunk = 1 << 20;

struct CloseEntry {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

}  // namespace

struct ZipFile::Archive {
  zip_t* zip = nullptr;
  uint64_t file_size = 0;
  std::mutex mutex;  // libzip's archives serve one thread at a time
  ~Archive() {
    if (zip != nullptr) zip_discard(zip);
  }
};

ZipFile::ZipFile(std::filesystem::path file, std::string fix)
    : path_(std::move(file)), fix_(std::move(fix)), archive_(std::make_unique<Archive>()) {
  InputFile readable(path_);  // says what is wrong with a file that cannot be opened
  std::error_code error;
  archive_->file_size = std::filesystem::file_size(path_, error);
  int code = 0;
  archive_->zip = zip_open(path_.c_str(), ZIP_RDONLY, &code);
  if (archive_->zip == nullptr) {
    corrupt(path_.string(), "is no zip archive, or is damaged or cut short");
  }
  const zip_int64_t count = zip_get_num_entries(archive_->zip, 0);
  entries_ = count < 0 ? 0 : static_cast<uint64_t>(count);
}

ZipFile::~ZipFile() = default;

void ZipFile::corrupt(const std::string& subject, const std::string& fact) const {
  fail(ErrorCode::file_corrupt, subject, fact, fix_);
}

std::string ZipFile::name(uint64_t entry) const {
  const std::lock_guard lock(archive_->mutex);
  const char* text = zip_get_name(archive_->zip, entry, ZIP_FL_ENC_RAW);
  return text == nullptr ? "" : text;
}

std::optional<uint64_t> ZipFile::find(const std::string& name) const {
  const std::lock_guard lock(archive_->mutex);
  const zip_int64_t at = zip_name_locate(archive_->zip, name.c_str(), ZIP_FL_ENC_RAW);
  return at < 0 ? std::nullopt : std::optional(static_cast<uint64_t>(at));
}

std::string ZipFile::subject(uint64_t entry) const {
  return path_.string() + " (" + name(entry) + ")";
}

std::vector<uint8_t> ZipFile::read(uint64_t entry, uint64_t most) const {
  const std::string subject = this->subject(entry);
  const std::lock_guard lock(archive_->mutex);
  zip_stat_t about;
  zip_stat_init(&about);
  const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
  if (zip_stat_index(archive_->zip, entry, 0, &about) != 0 || (about.valid & needed) != needed) {
    corrupt(subject, "does not say how large it is");
  }
  if (about.size > most || about.comp_size > archive_->file_size ||
      about.size / kMostExpansion > about.comp_size) {
    corrupt(subject, "claims " + std::to_string(about.size) + " bytes in " +
                         std::to_string(about.comp_size) + " packed ones; at most " +
                         std::to_string(most) + " are read");
  }
  const std::unique_ptr<zip_file_t, CloseEntry> in(zip_fopen_index(archive_->zip, entry, 0));
  std::vector<uint8_t> bytes;
  bool whole = in != nullptr;
  while (whole && bytes.size() < about.size) {
    const size_t have = bytes.size();
    const size_t step = std::min<uint64_t>(about.size - have, std::max<uint64_t>(have, kChunk));
    bytes.resize(have + step);
    whole = zip_fread(in.get(), bytes.data() + have, step) == static_cast<zip_int64_t>(step);
  }
  // The reader compares the check sum when it meets the end of the entry.
  uint8_t beyond = 0;
  if (!whole || zip_fread(in.get(), &beyond, 1) != 0) {
    corrupt(subject, "cannot be unpacked, or its check sum is wrong");
  }
  return bytes;
}

}  // namespace ito::data
