// Event files against the format: checksums of published vectors, and every record read back.
#include "tools/run/event_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "engine/core/check.h"
#include "tools/data/png.h"

namespace ito::tools {
namespace {

namespace fs = std::filesystem;

std::vector<uint8_t> bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// RFC 3720, B.4.
TEST(Crc32c, PublishedVectors) {
  EXPECT_EQ(crc32c(std::vector<uint8_t>(32, 0)), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::vector<uint8_t>(32, 0xff)), 0x62a8ab43u);
  const std::string digits = "123456789";
  EXPECT_EQ(crc32c({reinterpret_cast<const uint8_t*>(digits.data()), digits.size()}), 0xe3069283u);
}

/// One field of a protocol buffer.
struct Field {
  int number;
  uint64_t varint = 0;
  std::string bytes;  // of length-delimited and fixed fields
};

std::vector<Field> fields_of(std::string_view data) {
  std::vector<Field> fields;
  const auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto b = static_cast<uint8_t>(data.front());
      data.remove_prefix(1);
      value |= static_cast<uint64_t>(b & 127) << shift;
      if (b < 128) return value;
    }
  };
  while (!data.empty()) {
    const uint64_t key = varint();
    Field field{.number = static_cast<int>(key >> 3)};
    const unsigned kind = key & 7;
    if (kind == 0) {
      field.varint = varint();
    } else {
      const size_t size = kind == 1 ? 8 : kind == 5 ? 4 : varint();
      field.bytes = data.substr(0, size);
      data.remove_prefix(size);
    }
    fields.push_back(field);
  }
  return fields;
}

const Field& field(const std::vector<Field>& fields, int number) {
  for (const Field& f : fields) {
    if (f.number == number) return f;
  }
  throw std::runtime_error("no field " + std::to_string(number));
}

/// The events of a file, after a check of all lengths and checksums.
std::vector<std::vector<Field>> events_of(const fs::path& file) {
  const std::vector<uint8_t> all = bytes_of(file);
  std::vector<std::vector<Field>> events;
  const auto number = [&]<class T>(size_t at, T) {
    T value;
    std::memcpy(&value, all.data() + at, sizeof value);
    return value;
  };
  const auto unmasked = [](uint32_t m) {
    m -= 0xa282ead8u;
    return m >> 17 | m << 15;
  };
  for (size_t at = 0; at < all.size();) {
    const auto length = number(at, uint64_t{});
    EXPECT_EQ(unmasked(number(at + 8, uint32_t{})), crc32c({all.data() + at, 8}));
    EXPECT_EQ(unmasked(number(at + 12 + length, uint32_t{})),
              crc32c({all.data() + at + 12, length}));
    events.push_back(fields_of({reinterpret_cast<const char*>(all.data()) + at + 12, length}));
    at += 16 + length;
  }
  return events;
}

TEST(EventFile, HoldsScalarsAndPictures) {
  const fs::path folder = fs::temp_directory_path() / ("ito_events_" + std::to_string(getpid()));
  const data::Image image{{2, 3, 1}, {0, 50, 100, 150, 200, 250}};
  {
    EventFile file(folder, 1000);
    file.scalars(1001, {{"loss", 0.25}, {"lr", 1e-3}});
    file.picture(300000, "samples", image);
  }
  const auto events = events_of(fs::directory_iterator(folder)->path());
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(field(events[0], 3).bytes, "brain.Event:2");
  EXPECT_EQ(field(events[1], 2).varint, 1000u);
  EXPECT_EQ(field(fields_of(field(events[1], 7).bytes), 1).varint, 1u);
  EXPECT_EQ(field(events[2], 2).varint, 1001u);
  const auto summary = fields_of(field(events[2], 5).bytes);
  ASSERT_EQ(summary.size(), 2u);
  float loss = 0;
  const auto first = fields_of(summary[0].bytes);
  EXPECT_EQ(field(first, 1).bytes, "loss");
  std::memcpy(&loss, field(first, 2).bytes.data(), sizeof loss);
  EXPECT_EQ(loss, 0.25f);
  EXPECT_EQ(field(events[3], 2).varint, 300000u);
  const auto value = fields_of(fields_of(field(events[3], 5).bytes)[0].bytes);
  const auto picture = fields_of(field(value, 4).bytes);
  EXPECT_EQ(field(picture, 1).varint, 2u);
  EXPECT_EQ(field(picture, 2).varint, 3u);
  const fs::path png = folder / "picture.png";
  std::ofstream(png, std::ios::binary) << field(picture, 4).bytes;
  EXPECT_EQ(data::read_png(png).bytes, image.bytes);
  fs::remove_all(folder);
}

TEST(EventFile, SaysWhereItCannotWrite) {
  EXPECT_THROW(EventFile("/proc/nothing/here", 0), UserError);
}

}  // namespace
}  // namespace ito::tools
