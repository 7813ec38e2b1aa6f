#include "tools/run/event_file.h"

#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "engine/core/check.h"
#include "tools/data/png.h"

namespace ito::tools {
namespace {

static_assert(std::endian::native == std::endian::little, "records are little-endian");

/// The wire format of protocol buffers: a key of field number and kind, then the value.
class Message {
 public:
  Message& varint(int field, uint64_t value) {
    key(field, 0);
    append_varint(value);
    return *this;
  }
  Message& real(int field, double value) {
    key(field, 1);
    return raw(&value, sizeof value);
  }
  Message& real32(int field, float value) {
    key(field, 5);
    return raw(&value, sizeof value);
  }
  Message& bytes(int field, std::string_view value) {
    key(field, 2);
    append_varint(value.size());
    bytes_ += value;
    return *this;
  }
  const std::string& str() const { return bytes_; }

 private:
  void key(int field, unsigned kind) { append_varint(static_cast<uint64_t>(field) << 3 | kind); }
  void append_varint(uint64_t value) {
    for (; value >= 128; value >>= 7) bytes_ += static_cast<char>(value | 128);
    bytes_ += static_cast<char>(value);
  }
  Message& raw(const void* data, size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
    return *this;
  }

  std::string bytes_;
};

// Fields of tensorflow.Event, Summary, Summary.Value, Summary.Image and SessionLog.
constexpr int kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
constexpr int kValue = 1, kTag = 1, kSimpleValue = 2, kImage = 4;
constexpr int kHeight = 1, kWidth = 2, kColours = 3, kEncoded = 4;
constexpr int kStatus = 1;
constexpr uint64_t kStart = 1;

double wall_time() {
  using namespace std::chrono;
  return duration<double>(system_clock::now().time_since_epoch()).count();
}

Message event(int64_t step) {
  Message m;
  m.real(kWallTime, wall_time()).varint(kStep, static_cast<uint64_t>(step));
  return m;
}

/// A checksum of data that holds checksums would be weak: TensorFlow turns and shifts it.
uint32_t masked(uint32_t crc) { return std::rotr(crc, 15) + 0xa282ead8u; }

std::span<const uint8_t> as_bytes(const void* data, size_t size) {
  return {static_cast<const uint8_t*>(data), size};
}

}  // namespace

uint32_t crc32c(std::span<const uint8_t> bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      t[i] = i;
      for (int bit = 0; bit < 8; ++bit) t[i] = t[i] >> 1 ^ (t[i] & 1 ? 0x82f63b78u : 0);
    }
    return t;
  }();
  uint32_t crc = ~0u;
  for (const uint8_t b : bytes) crc = crc >> 8 ^ table[(crc ^ b) & 255];
  return ~crc;
}

EventFile::EventFile(const std::filesystem::path& folder, int64_t first_step) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  // The names of later sessions sort after those of earlier ones.
  char name[80];
  std::snprintf(name, sizeof name, "events.out.tfevents.%.6f.%d.ito", wall_time(), getpid());
  path_ = folder / name;
  file_.reset(std::fopen(path_.c_str(), "wb"));
  if (!file_) {
    fail(ErrorCode::write_failed, path_.string(), std::strerror(errno),
         "check permission and free space");
  }
  write(event(first_step).bytes(kFileVersion, "brain.Event:2").str());
  write(event(first_step).bytes(kSessionLog, Message().varint(kStatus, kStart).str()).str());
}

void EventFile::scalars(int64_t step, const std::vector<std::pair<std::string, double>>& values) {
  Message summary;
  for (const auto& [tag, value] : values) {
    Message v;
    v.bytes(kTag, tag).real32(kSimpleValue, static_cast<float>(value));
    summary.bytes(kValue, v.str());
  }
  write(event(step).bytes(kSummary, summary.str()).str());
}

void EventFile::picture(int64_t step, const std::string& tag, const data::Image& image) {
  const std::vector<uint8_t> png = data::encode_png(image.bytes, image.shape);
  Message picture;
  picture.varint(kHeight, static_cast<uint64_t>(image.shape.height))
      .varint(kWidth, static_cast<uint64_t>(image.shape.width))
      .varint(kColours, static_cast<uint64_t>(image.shape.channels))
      .bytes(kEncoded, {reinterpret_cast<const char*>(png.data()), png.size()});
  Message value;
  value.bytes(kTag, tag).bytes(kImage, picture.str());
  write(event(step).bytes(kSummary, Message().bytes(kValue, value.str()).str()).str());
}

void EventFile::write(std::string_view data) {
  const uint64_t length = data.size();
  const uint32_t of_length = masked(crc32c(as_bytes(&length, sizeof length)));
  const uint32_t of_data = masked(crc32c(as_bytes(data.data(), data.size())));
  std::string record(reinterpret_cast<const char*>(&length), sizeof length);
  record.append(reinterpret_cast<const char*>(&of_length), sizeof of_length);
  record.append(data);
  record.append(reinterpret_cast<const char*>(&of_data), sizeof of_data);
  if (std::fwrite(record.data(), 1, record.size(), file_.get()) != record.size() ||
      std::fflush(file_.get()) != 0) {
    fail(ErrorCode::write_failed, path_.string(), std::strerror(errno),
         "check permission and free space");
  }
}

}  // namespace ito::tools
