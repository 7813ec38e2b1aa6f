// Arrays of NumPy: written and read back, as NumPy writes them, damaged, and with false claims.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "engine/io/atomic_file.h"
#include "tests/metrics/support.h"
#include "tests/support/expect_failure.h"
#include "tools/data/npz.h"
#include "tools/metrics/image_set.h"
#include "tools/metrics/reference_file.h"

namespace ito::metrics {
namespace {

namespace fs = std::filesystem;
using data::NpzFile;
using data::Packing;
using data::write_npz;
using ::ito::testing::expect_failure;
using Bytes = std::vector<uint8_t>;

class Npz : public ::testing::Test {
 protected:
  Npz() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::path(::testing::TempDir()) / (std::string("ito_npz_") + info->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~Npz() override { fs::remove_all(folder_); }
  fs::path file(const std::string& name) const { return folder_ / name; }

 private:
  fs::path folder_;
};

Bytes bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Tensor counting(DType dtype) {
  const Tensor x = Tensor::empty({2, 3, 4}, dtype);
  for (int64_t i = 0; i < 24; ++i) {
    if (dtype == DType::f32) x.data<float>()[i] = static_cast<float>(i) / 8;
    if (dtype == DType::f64) x.data<double>()[i] = static_cast<double>(i) / 8;
    if (dtype == DType::i32) x.data<int32_t>()[i] = static_cast<int32_t>(i - 9);
    if (dtype == DType::i64) x.data<int64_t>()[i] = i - 9;
    if (dtype == DType::u8) x.data<uint8_t>()[i] = static_cast<uint8_t>(i);
  }
  return x;
}

void expect_equal(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.shape(), b.shape());
  ASSERT_EQ(a.dtype(), b.dtype());
  if (a.bytes() == 0) return;
  EXPECT_EQ(std::memcmp(a.raw(), b.raw(), a.bytes()), 0);
}

const std::pair<const char*, DType> kTypes[] = {{"f4", DType::f32},
                                                {"f8", DType::f64},
                                                {"i4", DType::i32},
                                                {"i8", DType::i64},
                                                {"u1", DType::u8}};

TEST_F(Npz, RoundTrip) {
  std::vector<std::pair<std::string, Tensor>> arrays;
  for (const auto& [name, dtype] : kTypes) arrays.emplace_back(name, counting(dtype));
  arrays.emplace_back("scalar", Tensor::full({}, 2.5, DType::f64));
  arrays.emplace_back("empty", Tensor::zeros({0, 3}, DType::f64));
  arrays.emplace_back("six", Tensor::full({1, 2, 1, 2, 1, 3}, 4, DType::f32));
  for (const Packing packing : {Packing::stored, Packing::deflated}) {
    write_npz(file("a.npz"), arrays, packing);
    const NpzFile archive(file("a.npz"));
    for (const auto& [name, tensor] : arrays) expect_equal(archive.read(name), tensor);
    EXPECT_FALSE(archive.contains("f2"));
    expect_failure(ErrorCode::file_mismatch, {"a.npz", "f2"}, [&] { archive.read("f2"); });
    write_npz(file("b.npz"), arrays, packing);
    EXPECT_EQ(bytes_of(file("a.npz")), bytes_of(file("b.npz")));
  }
}

TEST_F(Npz, AsNumpyWrites) {
  const fs::path path = fs::path(ITO_INCEPTION_FILES) / "arrays.npz";
  if (!fs::exists(path)) GTEST_SKIP() << "python3-torch is not installed";
  const NpzFile archive(path);
  for (const auto& [name, dtype] : kTypes) expect_equal(archive.read(name), counting(dtype));
  EXPECT_EQ(archive.read("scalar").item(), 2.5);
  EXPECT_EQ(archive.read("empty").shape(), (Shape{0, 3}));
  EXPECT_EQ(archive.read("vector").to_vector<double>(), (std::vector<double>{0, 1, 2, 3, 4}));
  for (const char* name : {"fortran", "f2", "big", "text"}) {
    expect_failure(ErrorCode::file_unknown, {name}, [&] { archive.read(name); });
  }
}

TEST_F(Npz, Headers) {
  const auto with_data = [](const std::string& header, size_t data, char version = 1) {
    std::string text = "\x93NUMPY";
    text +=
        {version, 0, static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
    if (version > 1) text += {0, 0};
    text += header + std::string(data, 7);
    return Bytes(text.begin(), text.end());
  };
  const std::string u1 = "{'descr': '|u1', 'fortran_order': False, 'shape': ";
  for (const char version : {1, 2, 3}) {
    EXPECT_EQ(data::parse_npy(with_data(u1 + "(2, 3), }\n", 6, version), "x").shape(),
              (Shape{2, 3}));
  }
  EXPECT_EQ(data::parse_npy(with_data(u1 + "(5,)}", 5), "x").shape(), Shape{5});
  EXPECT_EQ(data::parse_npy(with_data(u1 + "()}", 1), "x").rank(), 0);
  const auto refused = [&](ErrorCode code, const Bytes& bytes) {
    expect_failure(code, {"file.npz"}, [&] { data::parse_npy(bytes, "file.npz"); });
  };
  refused(ErrorCode::file_truncated, with_data(u1 + "(2, 3)}", 5));
  refused(ErrorCode::file_corrupt, with_data(u1 + "(2, 3)}", 7));
  for (const char* shape : {"", "(", "(2", "(2 3)}", "(-2,)}", "(x,)}", "(99999999999999999999,)}",
                            "(4294967296, 4294967296)}", "(65536, 65536, 2)}", "(0, 9999999999)}",
                            "(1,1,1,1,1,1,1)}"}) {
    refused(ErrorCode::file_corrupt, with_data(u1 + shape, 1));
  }
  refused(ErrorCode::file_corrupt, with_data("{'descr': '|u1', 'shape': (1,)}", 1));
  refused(ErrorCode::file_corrupt, with_data("{'fortran_order': False, 'shape': (1,)}", 1));
  refused(ErrorCode::file_corrupt,
          with_data("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", 4));
  refused(ErrorCode::file_unknown,
          with_data("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", 8));
  refused(ErrorCode::file_corrupt, with_data(u1 + "(1,)}", 1, 4));
  refused(ErrorCode::file_corrupt, Bytes(7, 0));
  refused(ErrorCode::file_corrupt, {});
  Bytes long_header = with_data(u1 + "(1,)}", 1);
  long_header[8] = long_header[9] = 255;
  refused(ErrorCode::file_corrupt, long_header);
}

TEST_F(Npz, FilesThatAreNone) {
  expect_failure(ErrorCode::file_missing, {"none.npz"}, [&] { NpzFile a(file("none.npz")); });
  for (const size_t size : {0u, 3u, 1000u}) {
    write_file_atomically(file("a.npz"), Bytes(size, 'P'));
    expect_failure(ErrorCode::file_corrupt, {"a.npz"}, [&] { NpzFile a(file("a.npz")); });
  }
}

TEST_F(Npz, ClaimsOfSizeAreChecked) {
  // A directory that promises 4 GiB - 1 for a few packed bytes: refused, not allocated.
  write_npz(file("a.npz"), {{"x", Tensor::zeros({1000}, DType::u8)}});
  Bytes bytes = bytes_of(file("a.npz"));
  const std::string mark = "PK\1\2";
  const auto at = std::search(bytes.begin(), bytes.end(), mark.begin(), mark.end());
  ASSERT_NE(at, bytes.end());
  std::fill(at + 24, at + 28, uint8_t{0xFE});  // the unpacked size
  write_file_atomically(file("b.npz"), bytes);
  expect_failure(ErrorCode::file_corrupt, {"b.npz", "claims"},
                 [&] { NpzFile(file("b.npz")).read("x"); });
}

TEST_F(Npz, RandomDamage) {
  for (const Packing packing : {Packing::stored, Packing::deflated}) {
    write_npz(file("good.npz"), {{"mu", counting(DType::f64)}, {"u", counting(DType::u8)}},
              packing);
    const Bytes good = bytes_of(file("good.npz"));
    std::mt19937 random(20);
    int refused = 0;
    for (int round = 0; round < 1000; ++round) {
      Bytes bad = good;
      for (uint32_t k = 0; k <= random() % 4; ++k) {
        bad[random() % bad.size()] = random() % 4 ? uint8_t(random()) : 0xFF;
      }
      if (random() % 8 == 0) bad.resize(random() % bad.size());
      std::ofstream(file("bad.npz"), std::ios::binary)
          .write(reinterpret_cast<const char*>(bad.data()), std::ssize(bad));
      try {
        const NpzFile archive(file("bad.npz"));
        archive.read("mu");
        archive.read("u");
      } catch (const UserError& error) {
        ++refused;
        EXPECT_EQ(exit_code_of(error.code()), 3) << error.what();
      }
    }
    EXPECT_GT(refused, 500);
  }
}

TEST_F(Npz, ReferenceStatistics) {
  const Reference reference{.pool = test::wavy(30, 5, 0.5),
                            .logits = test::wavy(30, 3, 1),
                            .statistics = statistics_of(test::wavy(30, 5, 0.5))};
  write_reference(file("edm.npz"), reference, ReferenceLayout::edm);
  write_reference(file("score.npz"), reference, ReferenceLayout::score_sde);
  const Reference edm = read_reference(file("edm.npz")), score = read_reference(file("score.npz"));
  EXPECT_FALSE(edm.pool);
  EXPECT_EQ(edm.statistics.covariance, reference.statistics.covariance);
  EXPECT_EQ(score.statistics.mean, reference.statistics.mean);
  expect_equal(score.logits, reference.logits);
  const auto refused = [&](ErrorCode code, const char* name, const Tensor& mu, const Tensor& s) {
    write_npz(file(name), {{"mu", mu}, {"sigma", s}});
    expect_failure(code, {name}, [&] { read_reference(file(name)); });
  };
  const auto zeros = [](const Shape& shape) { return Tensor::zeros(shape, DType::f64); };
  refused(ErrorCode::file_mismatch, "a.npz", zeros({3}), zeros({3, 2}));
  refused(ErrorCode::file_mismatch, "b.npz", zeros({3, 1}), zeros({3, 3}));
  refused(ErrorCode::file_mismatch, "c.npz", zeros({0}), zeros({0, 0}));
  refused(ErrorCode::file_corrupt, "d.npz", Tensor::full({3}, NAN, DType::f64), zeros({3, 3}));
  refused(ErrorCode::file_mismatch, "e.npz", Tensor::zeros({3}, DType::i64), zeros({3, 3}));
  write_npz(file("f.npz"), {{"x", zeros({3})}});
  expect_failure(ErrorCode::file_mismatch, {"f.npz"}, [&] { read_reference(file("f.npz")); });
}

TEST_F(Npz, ReferenceStatisticsAsNumpyMakesThem) {
  const fs::path folder = ITO_INCEPTION_FILES;
  if (!fs::exists(folder / "edm.npz")) GTEST_SKIP() << "python3-torch is not installed";
  const Reference edm = read_reference(folder / "edm.npz");
  const Reference score = read_reference(folder / "score_sde.npz");
  EXPECT_EQ(score.pool.shape(), (Shape{6, 4}));
  EXPECT_EQ(score.logits.shape(), (Shape{6, 3}));
  ASSERT_EQ(edm.statistics.covariance.size(), 16u);
  for (size_t i = 0; i < 16; ++i) {
    EXPECT_NEAR(edm.statistics.covariance[i], score.statistics.covariance[i], 1e-12);
  }
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(edm.statistics.mean[i], score.statistics.mean[i], 1e-12);
  }
}

TEST_F(Npz, Samples) {
  write_npz(file("a.npz"), {{"arr_0", Tensor::full({5, 4, 3, 1}, 9, DType::u8)}});
  const ImageSet images = read_samples(file("a.npz"));
  EXPECT_EQ(images.size(), 5);
  EXPECT_EQ(images.shape, (data::ImageShape{4, 3, 1}));
  EXPECT_EQ(images.bytes, Bytes(60, 9));
  for (const Tensor& bad :
       {Tensor::zeros({5, 4, 3, 2}, DType::u8), Tensor::zeros({0, 4, 3, 3}, DType::u8),
        Tensor::zeros({5, 4, 3, 3}, DType::f32), Tensor::zeros({5, 4, 3}, DType::u8),
        Tensor::zeros({1, 70000, 1, 1}, DType::u8)}) {
    write_npz(file("b.npz"), {{"samples", bad}});
    expect_failure(ErrorCode::file_mismatch, {"b.npz"}, [&] { read_samples(file("b.npz")); });
  }
}

}  // namespace
}  // namespace ito::metrics
