#include "tools/data/png.h"

#include <zlib.h>

#include "tests/data/support.h"

namespace ito::data {
namespace {

using test::big_endian;
using test::Bytes;
using test::expect_failure;
using test::write_bytes;
using test::operator+;

class Png : public test::TempFolder {};

Image pattern(int height, int width, int channels) {
  Image image{{height, width, channels}, {}};
  for (size_t i = 0; i < image.shape.numel(); ++i)
    image.bytes.push_back(uint8_t(i * i * 31 + 7 * i));
  return image;
}

Bytes chunk(std::string_view type, const Bytes& data) {
  const Bytes body = Bytes(type.begin(), type.end()) + data;
  return big_endian({uint32_t(data.size())}) + body +
         big_endian({uint32_t(crc32(0, body.data(), uInt(body.size())))});
}

/// A PNG with this header whose pixels are absent.
Bytes header_only(uint32_t width, uint32_t height) {
  return Bytes{0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'} +
         chunk("IHDR", big_endian({width, height}) + Bytes{8, 0, 0, 0, 0}) +
         chunk("IDAT", Bytes{0x78, 0x9C}) + chunk("IEND", {});
}

TEST_F(Png, RoundTrip) {
  for (const int channels : {1, 3}) {
    for (const auto& [height, width] : {std::pair{1, 1}, {7, 13}, {64, 33}}) {
      const Image image = pattern(height, width, channels);
      write_png(file("a.png"), image);
      const Image back = read_png(file("a.png"));
      EXPECT_EQ(back.shape, image.shape);
      EXPECT_EQ(back.bytes, image.bytes);
    }
  }
  EXPECT_EQ(names(), std::vector<std::string>{"a.png"});
}

TEST_F(Png, SameImageGivesSameBytes) {
  const Image image = pattern(9, 5, 3);
  EXPECT_EQ(encode_png(image.bytes, image.shape), encode_png(image.bytes, image.shape));
}

TEST_F(Png, TruncatedAnywhereIsRejected) {
  const Image image = pattern(5, 7, 3);
  const Bytes png = encode_png(image.bytes, image.shape);
  // The last chunk (12 bytes) says only that the file ends: libpng does not need it.
  for (size_t n = 0; n + 12 < png.size(); ++n) {
    write_bytes(file("a.png"), Bytes(png.begin(), png.begin() + ptrdiff_t(n)));
    expect_failure(n == 0 ? ErrorCode::file_truncated : ErrorCode::file_corrupt, {"a.png"},
                   [&] { read_png(file("a.png")); });
  }
}

TEST_F(Png, DamageAndHugeSizesAreRejected) {
  const Image image = pattern(5, 7, 1);
  Bytes png = encode_png(image.bytes, image.shape);
  png[20] ^= 1;  // width, behind the back of the checksum
  write_bytes(file("a.png"), png);
  expect_failure(ErrorCode::file_corrupt, {"a.png"}, [&] { read_png(file("a.png")); });
  write_bytes(file("a.png"), header_only(100'000, 100'000));
  expect_failure(ErrorCode::file_mismatch, {"100000 x 100000"}, [&] { read_png(file("a.png")); });
  write_bytes(file("a.png"), header_only(0x7FFFFFFF, 0x7FFFFFFF));
  EXPECT_THROW(read_png(file("a.png")), UserError);
  write_bytes(file("a.png"), header_only(40, 40));
  expect_failure(ErrorCode::file_corrupt, {"a.png"}, [&] { read_png(file("a.png")); });
  expect_failure(ErrorCode::file_missing, {"b.png"}, [&] { read_png(file("b.png")); });
}

TEST_F(Png, ShapeMustFit) {
  EXPECT_THROW(encode_png(Bytes(5), {2, 3, 1}), ValueError);
  EXPECT_THROW(encode_png(Bytes(12), {2, 3, 2}), ValueError);
  EXPECT_THROW(encode_png({}, {0, 3, 1}), ValueError);
}

}  // namespace
}  // namespace ito::data
