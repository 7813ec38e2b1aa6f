// Readers of files from outside under random damage: each file is read, or refused with one line.
#include <algorithm>
#include <functional>
#include <random>

#include "tests/data/support.h"
#include "tools/data/idx.h"
#include "tools/data/planar.h"
#include "tools/data/png.h"

namespace ito::data {
namespace {

using test::big_endian;
using test::Bytes;
using test::gzip;
using test::write_bytes;
using test::operator+;

class Hostile : public test::TempFolder {
 protected:
  /// Writes 1500 damaged copies of `good` to `path` and reads each.
  void damage(const Bytes& good, const std::filesystem::path& path,
              const std::function<void()>& read) {
    std::mt19937 random(20);
    int refused = 0;
    for (int round = 0; round < 1500; ++round) {
      Bytes bad = good;
      for (uint32_t k = 0; k <= random() % 4; ++k) {
        // Half of the damage goes to the first bytes, where the sizes are.
        const size_t range = random() % 2 ? bad.size() : std::min<size_t>(bad.size(), 33);
        bad[random() % range] = random() % 4 ? uint8_t(random()) : 0xFF;
      }
      if (random() % 8 == 0) bad.resize(random() % bad.size());
      write_bytes(path, bad);
      try {
        read();
      } catch (const UserError& error) {
        ++refused;
        EXPECT_EQ(exit_code_of(error.code()), 3) << error.what();
      }
    }
    EXPECT_GT(refused, 100);
  }
};

TEST_F(Hostile, Idx) {
  const Bytes images = big_endian({2051, 4, 5, 6}) + Bytes(4 * 5 * 6, 77);
  const Bytes labels = big_endian({2049, 4}) + Bytes{1, 2, 3, 4};
  const auto read = [&] { read_idx(folder(), Split::train, 10); };
  const auto images_path = file("train-images-idx3-ubyte");
  const auto labels_path = file("train-labels-idx1-ubyte");
  write_bytes(labels_path, labels);
  damage(images, images_path, read);
  damage(gzip(images), images_path, read);
  write_bytes(images_path, images);
  damage(labels, labels_path, read);
  damage(gzip(labels), labels_path, read);
}

TEST_F(Hostile, Planar) {
  damage(Bytes(3 * (1 + 3 * 4), 5), file("a.bin"),
         [&] { read_planar(file("a.bin"), Split::train, 2, 10); });
}

TEST_F(Hostile, Png) {
  for (const int channels : {1, 3}) {
    Bytes pixels(size_t(11 * 9 * channels));
    for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = uint8_t(i * i);
    damage(encode_png(pixels, {11, 9, channels}), file("a.png"), [&] { read_png(file("a.png")); });
  }
}

}  // namespace
}  // namespace ito::data
