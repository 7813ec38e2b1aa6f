#include "tools/data/planar.h"

#include "tests/data/support.h"
#include "tools/data/dataset.h"

namespace ito::data {
namespace {

using test::Bytes;
using test::expect_failure;
using test::write_bytes;
using test::operator+;

constexpr int kSize = 3;

/// A record whose value at (plane c, place p) is start + 9 c + p.
Bytes record(uint8_t label, uint8_t start) {
  Bytes bytes{label};
  for (int i = 0; i < 3 * kSize * kSize; ++i) bytes.push_back(uint8_t(start + i));
  return bytes;
}

class Planar : public test::TempFolder {};

TEST_F(Planar, InterleavesPlanesAndJoinsFilesInOrder) {
  write_bytes(file("data_batch_2.bin"), record(7, 100));
  write_bytes(file("data_batch_1.bin"), record(1, 0) + record(2, 50));
  write_bytes(file("test_batch.bin"), record(3, 200));
  write_bytes(file("batches.meta.txt"), {'x'});
  const auto train = read_planar(folder(), Split::train, kSize, 10);
  EXPECT_EQ(train.labels, (Bytes{1, 2, 7}));
  ASSERT_EQ(train.pixels.size(), 3u * 27u);
  for (size_t i = 0; i < 3; ++i) {
    for (size_t p = 0; p < 9; ++p) {
      for (size_t c = 0; c < 3; ++c) {
        EXPECT_EQ(train.pixels[i * 27 + p * 3 + c], 50 * i + 9 * c + p);
      }
    }
  }
  EXPECT_EQ(read_planar(folder(), Split::test, kSize, 10).labels, (Bytes{3}));
  EXPECT_EQ(read_planar(file("data_batch_2.bin"), Split::test, kSize, 10).labels, (Bytes{7}));
}

TEST_F(Planar, TruncatedAnywhereIsTruncated) {
  const Bytes whole = record(1, 0) + record(2, 50);
  for (size_t n = 0; n < whole.size(); ++n) {
    if (n == whole.size() / 2) continue;  // one whole record
    write_bytes(file("data_batch_1.bin"), Bytes(whole.begin(), whole.begin() + ptrdiff_t(n)));
    expect_failure(ErrorCode::file_truncated,
                   {"data_batch_1.bin", "has " + std::to_string(n) + " bytes",
                    n < 28 ? "needs 28 for 1" : "needs 56 for 2"},
                   [&] { read_planar(folder(), Split::train, kSize, 10); });
  }
}

TEST_F(Planar, LabelsAndFilesAreChecked) {
  expect_failure(ErrorCode::file_missing, {"data_batch_*.bin"},
                 [&] { read_planar(folder(), Split::train, kSize, 10); });
  expect_failure(ErrorCode::file_missing, {"absent.bin"},
                 [&] { read_planar(file("absent.bin"), Split::train, kSize, 10); });
  write_bytes(file("data_batch_1.bin"), record(1, 0) + record(10, 50));
  expect_failure(ErrorCode::file_corrupt, {"record 1 is 10"},
                 [&] { read_planar(folder(), Split::train, kSize, 10); });
}

TEST_F(Planar, OpenDatasetNeedsPathAndSize) {
  expect_failure(ErrorCode::bad_value, {"data.path", "cifar10"},
                 [] { open_dataset({.name = "cifar10"}, Split::train); });
  expect_failure(ErrorCode::bad_value, {"data.image_size"}, [&] {
    open_dataset({.name = "planar", .path = folder().string()}, Split::train);
  });
  write_bytes(file("data_batch_1.bin"), record(5, 0));
  const auto set =
      open_dataset({.name = "planar", .path = folder().string(), .image_size = 3}, Split::train);
  EXPECT_EQ(set->shape(), (ImageShape{3, 3, 3}));
  EXPECT_EQ(set->label(0), 5);
  write_bytes(file("data_batch_1.bin"), Bytes(3073));
  expect_failure(ErrorCode::file_mismatch, {"data.image_size = 32"}, [&] {
    open_dataset({.name = "cifar10", .path = folder().string(), .image_size = 64}, Split::train);
  });
}

}  // namespace
}  // namespace ito::data
