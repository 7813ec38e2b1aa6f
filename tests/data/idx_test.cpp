#include "tools/data/idx.h"

#include <sys/resource.h>

#include "tests/data/support.h"
#include "tools/data/dataset.h"

namespace ito::data {
namespace {

using test::big_endian;
using test::Bytes;
using test::expect_failure;
using test::gzip;
using test::write_bytes;
using test::operator+;

constexpr uint32_t kCount = 5, kRows = 3, kColumns = 7;

Bytes pixels() {
  Bytes bytes(kCount * kRows * kColumns);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = uint8_t(i * 37 + 11);
  return bytes;
}
Bytes images_file() { return big_endian({2051, kCount, kRows, kColumns}) + pixels(); }
Bytes labels_file() { return big_endian({2049, kCount}) + Bytes{3, 0, 9, 1, 9}; }

class Idx : public test::TempFolder {
 protected:
  void write(const Bytes& images, const Bytes& labels) {
    write_bytes(file("train-images-idx3-ubyte"), images);
    write_bytes(file("train-labels-idx1-ubyte"), labels);
  }
  void expect(ErrorCode code, std::initializer_list<std::string_view> fragments) {
    expect_failure(code, fragments, [&] { read_idx(folder(), Split::train, 10); });
  }
};

TEST_F(Idx, ReadsPlainAndPackedFromFolderAndByName) {
  write(images_file(), labels_file());
  write_bytes(file("t10k-images-idx3-ubyte.gz"), gzip(images_file()));
  write_bytes(file("t10k-labels-idx1-ubyte.gz"), gzip(labels_file()));
  for (const auto& content :
       {read_idx(folder(), Split::train, 10), read_idx(folder(), Split::test, 10),
        read_idx(file("t10k-images-idx3-ubyte.gz"), Split::train, 10)}) {
    EXPECT_EQ(content.pixels, pixels());
    EXPECT_EQ(content.labels, (Bytes{3, 0, 9, 1, 9}));
    EXPECT_EQ(content.shape, (ImageShape{int(kRows), int(kColumns), 1}));
    EXPECT_EQ(content.classes, 10);
  }
}

TEST_F(Idx, ReadsGzipOfSeveralMembers) {
  const Bytes whole = images_file();
  const Bytes first(whole.begin(), whole.begin() + 40), second(whole.begin() + 40, whole.end());
  write(gzip(first) + gzip(second), labels_file());
  EXPECT_EQ(read_idx(folder(), Split::train, 10).pixels, pixels());
}

TEST_F(Idx, TruncatedAnywhereIsTruncated) {
  const Bytes images = images_file(), labels = labels_file();
  for (size_t n = 0; n < images.size(); ++n) {
    write(Bytes(images.begin(), images.begin() + ptrdiff_t(n)), labels);
    const std::string needed = n < 16 ? "needs 16" : "needs 121";
    expect(ErrorCode::file_truncated,
           {"train-images", "has " + std::to_string(n) + " bytes", needed});
  }
  for (size_t n = 0; n < labels.size(); ++n) {
    write(images, Bytes(labels.begin(), labels.begin() + ptrdiff_t(n)));
    expect(ErrorCode::file_truncated, {"train-labels", n < 8 ? "needs 8" : "needs 13"});
  }
}

TEST_F(Idx, TruncatedGzipAnywhereIsTruncated) {
  const Bytes packed = gzip(images_file());
  for (size_t n = 2; n < packed.size(); ++n) {  // below 2 bytes it is not known to be gzip
    write(Bytes(packed.begin(), packed.begin() + ptrdiff_t(n)), labels_file());
    expect(ErrorCode::file_truncated, {"train-images"});
  }
}

TEST_F(Idx, DamagedGzipIsCorrupt) {
  Bytes packed = gzip(images_file());
  packed[packed.size() - 6] ^= 1;  // in the checksum
  write(packed, labels_file());
  expect(ErrorCode::file_corrupt, {"train-images", "gzip"});
  write(gzip(images_file()) + Bytes{1, 2, 3, 4}, labels_file());
  expect(ErrorCode::file_corrupt, {"train-images", "gzip"});
}

TEST_F(Idx, WrongMagicNamesBoth) {
  write(labels_file() + Bytes(8), labels_file());
  expect(ErrorCode::file_corrupt, {"train-images", "2049", "2051"});
  write(images_file(), images_file());
  expect(ErrorCode::file_corrupt, {"train-labels", "2051", "2049"});
}

TEST_F(Idx, TooLongIsCorrupt) {
  write(images_file() + Bytes{0}, labels_file());
  expect(ErrorCode::file_corrupt, {"train-images", "121"});
  write(gzip(images_file() + Bytes{0}), labels_file());
  expect(ErrorCode::file_corrupt, {"train-images", "121"});
  write(images_file(), labels_file() + Bytes{0});
  expect(ErrorCode::file_corrupt, {"train-labels", "13"});
}

TEST_F(Idx, CountsAndLabelsMustFit) {
  write(images_file(), big_endian({2049, 4}) + Bytes{1, 2, 3, 4});
  expect(ErrorCode::file_mismatch, {"train-labels", "4 labels", "5 images"});
  write(images_file(), big_endian({2049, kCount}) + Bytes{3, 0, 10, 1, 9});
  expect(ErrorCode::file_corrupt, {"train-labels", "label 2 is 10"});
  EXPECT_EQ(read_idx(folder(), Split::train, 11).classes, 11);
  write(big_endian({2051, 0, 3, 7}), big_endian({2049, 0}));
  expect(ErrorCode::file_corrupt, {"train-images", "0 images"});
}

// A limit on the address space makes any allocation of the promised size fail. (Sanitizers reserve
// more than that for themselves.)
TEST_F(Idx, HugePromisesAllocateNothing) {
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  rlimit small = before;
  small.rlim_cur = rlim_t(512) << 20;
  ASSERT_EQ(setrlimit(RLIMIT_AS, &small), 0);
#endif
  const Bytes zeros(1 << 20);
  write(big_endian({2051, 0x80000000u, 1, 1}) + zeros, labels_file());
  expect(ErrorCode::file_truncated, {"has 1048592 bytes, needs 2147483664"});
  write(gzip(big_endian({2051, 0x80000000u, 1, 1}) + zeros), labels_file());
  expect(ErrorCode::file_truncated, {"has 1048592 bytes, needs 2147483664"});
  write(big_endian({2051, 0xFFFFFFFFu, 1024, 1024}), labels_file());
  expect(ErrorCode::file_corrupt, {"4294967295 images"});
  write(big_endian({2051, 1, 0xFFFFFFFFu, 0xFFFFFFFFu}), labels_file());
  expect(ErrorCode::file_corrupt, {"4294967295 x 4294967295"});
  write(big_endian({2051, 1, 0, 28}), labels_file());
  expect(ErrorCode::file_corrupt, {"0 x 28"});
  // A bomb unpacks no further than one byte past what its header promises.
  write(gzip(big_endian({2051, 1, 2, 2}) + Bytes(size_t(64) << 20)), labels_file());
  expect(ErrorCode::file_corrupt, {"20 bytes"});
  ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
}

TEST_F(Idx, MissingFilesAreNamed) {
  expect(ErrorCode::file_missing, {"train-images-idx3-ubyte", ".gz", "data.path"});
  write_bytes(file("train-images-idx3-ubyte"), images_file());
  expect(ErrorCode::file_missing, {"train-labels-idx1-ubyte"});
  expect_failure(ErrorCode::file_missing, {"absent"},
                 [&] { read_idx(file("absent-images-idx3-ubyte"), Split::train, 10); });
  write_bytes(file("digits.bin"), images_file());
  expect_failure(ErrorCode::file_mismatch, {"digits.bin", "images-idx3"},
                 [&] { read_idx(file("digits.bin"), Split::train, 10); });
  expect_failure(ErrorCode::file_missing, {"/dev/zero"},
                 [&] { read_idx("/dev/zero", Split::train, 10); });
}

TEST_F(Idx, OpenDatasetPads28To32AndRejectsOtherSizes) {
  Bytes image(28 * 28);
  for (size_t i = 0; i < image.size(); ++i) image[i] = uint8_t(1 + i % 255);
  write(big_endian({2051, 2, 28, 28}) + Bytes(28 * 28) + image,
        big_endian({2049, 2}) + Bytes{4, 7});
  DataConfig config{.name = "mnist", .path = folder().string()};
  EXPECT_EQ(open_dataset(config, Split::train)->shape(), (ImageShape{28, 28, 1}));
  config.image_size = 32;
  const auto padded = open_dataset(config, Split::train);
  ASSERT_EQ(padded->shape(), (ImageShape{32, 32, 1}));
  const auto pixels = padded->pixels(1);
  for (size_t y = 0; y < 32; ++y) {
    for (size_t x = 0; x < 32; ++x) {
      const bool inside = y >= 2 && y < 30 && x >= 2 && x < 30;
      EXPECT_EQ(pixels[y * 32 + x], inside ? image[(y - 2) * 28 + x - 2] : 0) << y << ' ' << x;
    }
  }
  config.image_size = 16;
  expect_failure(ErrorCode::file_mismatch, {"28", "asks for 16", "data.image_size = 28"},
                 [&] { open_dataset(config, Split::train); });
  config.image_size = 28;
  config.channels = 3;
  expect_failure(ErrorCode::file_mismatch, {"data.channels"},
                 [&] { open_dataset(config, Split::train); });
}

}  // namespace
}  // namespace ito::data
