#include "tools/run/array_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <zip.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "engine/core/check.h"
#include "engine/io/atomic_file.h"
#include "tools/data/input_file.h"
#include "tools/data/npz.h"
#include "tools/run/json_text.h"

namespace ito::tools {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void write_failed(const fs::path& path, const std::string& reason) {
  fail(ErrorCode::write_failed, path.string(), reason, "check free space and permissions");
}

[[noreturn]] void other_settings(const fs::path& path, const std::string& key) {
  fail(ErrorCode::output_exists, path.string(),
       "exists and was not drawn with these settings (" + key + " differs)",
       "give another name, or --overwrite");
}

Json parsed(const std::string& text) { return Json::parse(text, nullptr, false); }

/// See first_difference. Looks no deeper than `mine` goes: the other object comes from outside.
std::string difference_of(const Json& mine, const Json& other) {
  if (!other.is_object()) return "format";
  for (const auto& [key, value] : mine.items()) {
    if (!other.contains(key)) return key;
    if (other[key] == value) continue;
    if (!value.is_object() || !other[key].is_object()) return key;
    for (const auto& [inner, v] : value.items()) {
      if (!other[key].contains(inner) || other[key][inner] != v) return key + "." + inner;
    }
    return key;
  }
  return "";
}

std::string small_file(const fs::path& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) write_failed(file, "is no plain file");
  constexpr uint64_t kMost = 1 << 20;
  const std::vector<uint8_t> bytes = data::InputFile(file).read(kMost);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

OutputLock::OutputLock(const fs::path& place, int flags)
    : descriptor_(::open(place.c_str(), flags | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) write_failed(place, std::strerror(errno));
  // File systems without locks are taken as they are.
  if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(descriptor_);
  fail(ErrorCode::output_locked, place.string(), "another process is writing it",
       "wait for it to end, or give another name");
}

OutputLock::~OutputLock() { ::close(descriptor_); }

void remove_temporaries(const fs::path& folder, const std::string& prefix) {
  std::error_code error;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder.empty() ? "." : folder, error)) {
    const std::string name = entry.path().filename().string();
    if (!prefix.empty() && target_of_temporary(name).starts_with(prefix)) {
      found.push_back(entry.path());
    }
  }
  for (const fs::path& file : found) fs::remove(file, error);
}

std::string first_difference(const std::string& wanted, const std::string& found) {
  return difference_of(parsed(wanted), parsed(found));
}

ArrayFile::ArrayFile(fs::path file, const Shape& shape, DType dtype, const std::string& record,
                     Existing existing)
    : file_(std::move(file)),
      partial_(file_.string() + ".partial"),
      state_(file_.string() + ".partial.json"),
      record_(record),
      header_(data::npy_header(shape, dtype)),
      row_bytes_(static_cast<size_t>(shape.numel_of(1, shape.rank())) * size_of(dtype)),
      rows_(shape[0]),
      existing_(existing) {
  if (!is_finished()) {
    counted_rows();  // a refusal leaves no trace
    lock_ = std::make_unique<OutputLock>(partial_, O_RDWR | O_CREAT);
  }
  // Whoever held the lock may have finished in the meantime.
  if (is_finished()) {
    remove_parts();
    lock_ = nullptr;
    done_ = rows_;
  } else if (const auto done = counted_rows()) {
    done_ = *done;
  } else {
    begin();
  }
}

ArrayFile::~ArrayFile() {
  if (lock_ != nullptr && done_ == 0) remove_parts();
}

/// Whether the file is there as it should be.
bool ArrayFile::is_finished() const {
  std::error_code error;
  if (!fs::exists(file_, error)) return false;
  if (!fs::is_regular_file(file_, error)) write_failed(file_, "is no plain file");
  int code = 0;
  zip_t* zip = zip_open(file_.c_str(), ZIP_RDONLY, &code);
  int length = 0;
  const char* comment = zip == nullptr ? nullptr : zip_get_archive_comment(zip, &length, 0);
  const std::string found = comment == nullptr ? "" : std::string(comment, size_t(length));
  const bool has_array = zip != nullptr && zip_name_locate(zip, "arr_0.npy", ZIP_FL_ENC_RAW) >= 0;
  if (zip != nullptr) zip_discard(zip);
  const std::string difference = has_array ? first_difference(record_, found) : "format";
  if (difference.empty()) return true;
  if (existing_ == Existing::refuse) other_settings(file_, difference);
  return false;
}

/// How many rows an earlier process has finished; none if it left nothing that can be used.
std::optional<int64_t> ArrayFile::counted_rows() const {
  std::error_code error;
  const uint64_t size = fs::exists(partial_, error) ? fs::file_size(partial_, error) : 0;
  if (!fs::exists(state_, error)) {
    const bool ours = size <= header_.size();  // killed before anything was counted
    if (!ours && existing_ == Existing::refuse) other_settings(partial_, "format");
    return std::nullopt;
  }
  const Json state = parsed(small_file(state_));
  const bool sound = state.is_object() && state.contains("record") && state.contains("done") &&
                     state["done"].is_number_unsigned();
  const std::string difference = sound ? difference_of(parsed(record_), state["record"]) : "format";
  if (!difference.empty()) {
    if (existing_ == Existing::refuse) other_settings(partial_, difference);
    return std::nullopt;
  }
  const uint64_t whole = size > header_.size() ? (size - header_.size()) / row_bytes_ : 0;
  const auto rows = static_cast<uint64_t>(rows_);
  const uint64_t done = std::min({state["done"].get<uint64_t>(), whole, rows});
  return done > 0 ? std::optional(static_cast<int64_t>(done)) : std::nullopt;
}

void ArrayFile::begin() {
  if (ftruncate(lock_->descriptor(), 0) != 0) write_failed(partial_, std::strerror(errno));
  write_at(0, std::span(reinterpret_cast<const uint8_t*>(header_.data()), header_.size()));
  mark_done(0);
}

void ArrayFile::write_at(uint64_t offset, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t written =
        pwrite(lock_->descriptor(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) write_failed(partial_, std::strerror(errno));
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
}

void ArrayFile::write(int64_t i, std::span<const uint8_t> bytes) {
  ITO_CHECK(bytes.size() == row_bytes_ && i >= 0 && i < rows_, ValueError, "not a row of the array",
            kv("row", i), kv("bytes", bytes.size()));
  if (i >= done_) write_at(header_.size() + static_cast<uint64_t>(i) * row_bytes_, bytes);
}

void ArrayFile::mark_done(int64_t done) {
  if (lock_ == nullptr || (done <= done_ && done > 0)) return;
  // Rows reach the disk before the state that counts them.
  if (fdatasync(lock_->descriptor()) != 0) write_failed(partial_, std::strerror(errno));
  Json state;
  state["done"] = done;
  state["record"] = parsed(record_);
  const std::string text = json_text(state, 1) + "\n";
  write_file_atomically(state_,
                        std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
  done_ = done;
}

void ArrayFile::remove_parts() const {
  std::error_code error;
  fs::remove(state_, error);
  fs::remove(partial_, error);
  remove_temporaries(state_.parent_path(), state_.filename().string());
}

void ArrayFile::finish() {
  if (lock_ == nullptr) return;
  ITO_CHECK(done_ == rows_, InternalError, "an array is finished when all rows are",
            kv("done", done_), kv("rows", rows_));
  int code = 0;
  zip_t* zip = zip_open(file_.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  if (zip == nullptr) write_failed(file_, "cannot be created");
  const auto give_up = [&] {
    const std::string reason = zip_strerror(zip);
    zip_discard(zip);
    write_failed(file_, reason);
  };
  // Copied piece by piece when the archive is closed, under another name until it is whole.
  zip_source_t* content = zip_source_file(zip, partial_.c_str(), 0, -1);
  const zip_int64_t index =
      content == nullptr ? -1 : zip_file_add(zip, "arr_0.npy", content, ZIP_FL_ENC_UTF_8);
  if (index < 0) give_up();
  constexpr zip_uint16_t kFirstDay = 1 << 5 | 1;  // 1 January 1980: the same bytes every time
  const auto entry = static_cast<zip_uint64_t>(index);
  const bool described =
      zip_set_file_compression(zip, entry, ZIP_CM_STORE, 0) == 0 &&
      zip_file_set_dostime(zip, entry, 0, kFirstDay, 0) == 0 &&
      zip_set_archive_comment(zip, record_.c_str(), static_cast<zip_uint16_t>(record_.size())) == 0;
  if (!described || zip_close(zip) != 0) give_up();
  const int written = ::open(file_.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = written >= 0 && fsync(written) == 0;
  if (written >= 0) ::close(written);
  if (!synced) write_failed(file_, "cannot sync");
  remove_parts();
  lock_ = nullptr;
}

}  // namespace ito::tools
