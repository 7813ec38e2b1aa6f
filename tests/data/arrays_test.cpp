// Images in arrays of NumPy and points in text: read, split, and refused.
#include <cmath>

#include "tests/data/support.h"
#include "tools/data/csv.h"
#include "tools/data/npz.h"
#include "tools/data/npz_images.h"

namespace ito::data::test {
namespace {

using enum ErrorCode;

class Arrays : public TempFolder {
 protected:
  std::unique_ptr<Dataset> open(const std::vector<std::pair<std::string, Tensor>>& arrays,
                                Split split = Split::train, int classes = 0) {
    write_npz(file("a.npz"), arrays);
    return open_dataset({.name = "npz", .path = file("a.npz").string(), .classes = classes}, split);
  }
  void refused(ErrorCode code, std::string_view fragment,
               const std::vector<std::pair<std::string, Tensor>>& arrays, int classes = 0) {
    expect_failure(code, {"a.npz", fragment}, [&] { open(arrays, Split::train, classes); });
  }
  std::unique_ptr<Dataset> read_text(const std::string& text, Split split = Split::train) {
    write_bytes(file("a.csv"), bytes_of(text));
    return open_dataset({.name = "csv", .path = file("a.csv").string()}, split);
  }
};

Tensor counting(const Shape& shape) {
  const Tensor x = Tensor::empty(shape, DType::u8);
  for (int64_t i = 0; i < x.numel(); ++i) x.data<uint8_t>()[i] = uint8_t(i * 7);
  return x;
}

TEST_F(Arrays, ImagesAndLabels) {
  const Tensor images = counting({3, 4, 5, 3});
  const Tensor labels = Tensor::from(std::vector<int64_t>{2, 0, 1}, {3});
  for (const auto& [name, label_name] :
       {std::pair{"images", "labels"}, {"arr_0", "arr_1"}, {"images", "arr_1"}}) {
    const auto set = open({{name, images}, {label_name, labels}});
    ASSERT_EQ(set->size(), 3);
    EXPECT_EQ(set->shape(), (ImageShape{4, 5, 3}));
    EXPECT_EQ(set->classes(), 3);
    EXPECT_EQ(set->label(0), 2);
    const auto pixels = set->pixels(2);
    for (size_t k = 0; k < pixels.size(); ++k) EXPECT_EQ(pixels[k], uint8_t((120 + k) * 7));
  }
  EXPECT_EQ(open({{"arr_0", images}, {"labels", labels}}, Split::test, 5)->classes(), 5);
  EXPECT_EQ(open({{"arr_0", counting({3, 4, 5})}})->shape(), (ImageShape{4, 5, 1}));
  const auto split = open({{"arr_0", counting({400, 1, 1, 1})}}, Split::test);
  EXPECT_EQ(split->size(), 20);
  EXPECT_EQ(split->pixels(1)[0], uint8_t(39 * 7));
}

TEST_F(Arrays, OtherArrays) {
  const Tensor images = counting({3, 4, 5, 3});
  refused(file_mismatch, "has no array images", {{"x", images}});
  refused(file_mismatch, "(arr_0)", {{"arr_0", counting({3, 4, 5, 2})}});
  refused(file_mismatch, "(arr_0)", {{"arr_0", counting({0, 4, 5, 3})}});
  refused(file_mismatch, "(arr_0)", {{"arr_0", counting({3, 4})}});
  refused(file_mismatch, "(arr_0)", {{"arr_0", Tensor::zeros({3, 4, 5, 3}, DType::f32)}});
  refused(file_mismatch, "(arr_0)", {{"arr_0", Tensor::zeros({1, 70000, 1, 1}, DType::u8)}});
  const auto labels = [&](const Tensor& y) {
    return std::vector<std::pair<std::string, Tensor>>{{"images", images}, {"labels", y}};
  };
  const auto of = [](std::vector<int64_t> y) { return Tensor::from(y, {std::ssize(y)}); };
  refused(file_mismatch, "(labels)", labels(of({0, 1})));
  refused(file_mismatch, "outside 0 to 1", labels(of({0, -1, 1})));
  refused(file_mismatch, "outside 0 to 255", labels(of({0, 256, 1})));
  refused(file_mismatch, "outside 0 to 1", labels(of({0, 2, 1})), 2);
  refused(file_mismatch, "(labels)", labels(Tensor::zeros({3}, DType::f32)));
  refused(file_mismatch, "(labels)", labels(Tensor::zeros({3, 1}, DType::i64)));
}

TEST_F(Arrays, PointsInText) {
  EXPECT_EQ(parse_points("1,2\n-3.5 , 4e2\n", "x"), (std::vector<float>{1, 2, -3.5f, 400}));
  EXPECT_EQ(parse_points("\xEF\xBB\xBFx,y\r\n\r\n0.5,0.25\r\n 7,8", "x"),
            (std::vector<float>{0.5f, 0.25f, 7, 8}));
  EXPECT_EQ(parse_points("\"x 1\",\"x 2\"\n1,1\n", "x").size(), 2u);
  EXPECT_EQ(parse_points("1e-60,0\n", "x"), (std::vector<float>{0, 0}));
  const auto set = read_text("x,y\n1,2\n3,4\n");
  EXPECT_EQ(set->size(), 2);
  EXPECT_EQ(set->kind(), Kind::points);
  std::vector<float> point(2);
  set->read(1, point);
  EXPECT_EQ(point, (std::vector<float>{3, 4}));
  std::string many;
  for (int i = 0; i < 300; ++i) many += std::to_string(i) + ",0\n";
  EXPECT_EQ(read_text(many)->size(), 285);
  EXPECT_EQ(read_text(many, Split::test)->size(), 15);
  write_bytes(file("a.csv.gz"), gzip(bytes_of(many)));
  const auto packed = open_dataset({.name = "auto", .path = file("a.csv.gz").string()}, {});
  EXPECT_EQ(packed->name(), "csv");
  EXPECT_EQ(packed->size(), 285);
}

TEST_F(Arrays, OtherText) {
  const auto bad = [&](ErrorCode code, std::string_view fragment, const std::string& text) {
    expect_failure(code, {"a.csv", fragment}, [&] { read_text(text); });
  };
  bad(file_truncated, "no point", "");
  bad(file_truncated, "no point", "x,y\n\n");
  bad(file_corrupt, "line 1", "1\n");
  bad(file_corrupt, "line 1", "nan,1\n");
  bad(file_corrupt, "line 1", "1,inf\n");
  bad(file_corrupt, "line 2", "1,2\nx,y\n");
  bad(file_corrupt, "line 2", "1,2\n3,4,5\n");
  bad(file_corrupt, "line 2", "1,2\n3;4\n");
  bad(file_corrupt, "line 3", "x,y\n1,2\n1e39,0\n");
  bad(file_corrupt, "line 2", "1,2\n1e999,0\n");
  bad(file_corrupt, "\\x1B[2J", "1,2\n\x1b[2J\n");
  bad(file_corrupt, "line 2", "1,2\n" + std::string(1'000'000, '7') + "x\n");
  expect_failure(file_missing, {"none.csv"},
                 [&] { open_dataset({.name = "csv", .path = file("none.csv").string()}, {}); });
}

}  // namespace
}  // namespace ito::data::test
