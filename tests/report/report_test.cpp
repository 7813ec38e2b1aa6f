#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "engine/core/check.h"
#include "tools/report/html.h"
#include "tools/report/line_chart.h"
#include "tools/report/page.h"

namespace ito::report {
namespace {

namespace fs = std::filesystem;

std::string base64(std::string_view text) {
  const std::vector<uint8_t> bytes(text.begin(), text.end());
  return png_uri(bytes).substr(std::string_view("data:image/png;base64,").size());
}

// The vectors of RFC 4648, section 10.
TEST(Html, EncodesBase64) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xfb\xff\xbf"), "+/+/");
}

TEST(Html, ShowsForeignTextAsItIs) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(text_html("<script>\"a\" & b</script>"),
            "&lt;script&gt;&quot;a&quot; &amp; b&lt;/script&gt;");
  EXPECT_EQ(text_html("sigma \xCF\x83, \xE2\x82\xAC, \xF0\x9F\x99\x82"),
            "sigma \xCF\x83, \xE2\x82\xAC, \xF0\x9F\x99\x82");
  EXPECT_EQ(text_html("\xC0\xAF"), bad + bad);                      // overlong slash
  EXPECT_EQ(text_html("\xED\xA0\x80"), bad + bad + bad);            // surrogate
  EXPECT_EQ(text_html("\xF4\x90\x80\x80"), bad + bad + bad + bad);  // above U+10FFFF
  EXPECT_EQ(text_html("a\xE2\x82"), "a" + bad + bad);               // cut off
  EXPECT_EQ(text_html("\x1b[31m\n\x7f"), bad + "[31m\n" + bad);
}

std::string path_data(const std::string& svg) {
  const size_t at = svg.find(" d=\"");
  return at == std::string::npos ? "" : svg.substr(at + 4, svg.find('"', at + 4) - at - 4);
}

// The plot covers x 62 to 548 and y 226 (low) to 28 (high).
TEST(LineChart, PutsPointsWhereTheyBelong) {
  const Curve line{.name = "a", .x = {0, 5, 10}, .y = {1, 2, 5}};
  EXPECT_EQ(path_data(line_chart("t", "x", {line}, Scale::linear)),
            "M62.0 226.0L305.0 176.5L548.0 28.0");
  const Curve decades{.name = "a", .x = {0, 5, 10}, .y = {1, 10, 100}};
  EXPECT_EQ(path_data(line_chart("t", "x", {decades}, Scale::logarithmic)),
            "M62.0 226.0L305.0 127.0L548.0 28.0");
}

TEST(LineChart, LeavesGaps) {
  const Curve c{.name = "a", .x = {0, 1, 2, 3, 4}, .y = {1, 2, NAN, 1, 2}};
  EXPECT_EQ(path_data(line_chart("t", "x", {c}, Scale::linear)),
            "M62.0 226.0L183.5 28.0M426.5 226.0L548.0 28.0");
  const Curve zero{.name = "a", .x = {0, 1, 2}, .y = {1, 0, 10}};
  EXPECT_EQ(path_data(line_chart("t", "x", {zero}, Scale::logarithmic)), "M62.0 226.0M548.0 28.0");
  EXPECT_EQ(line_chart("t", "x", {}, Scale::linear), "");
  EXPECT_EQ(line_chart("t", "x", {{.name = "a", .x = {1}, .y = {INFINITY}}}, Scale::linear), "");
  EXPECT_NE(line_chart("t", "x", {{.name = "a", .x = {1}, .y = {3}}}, Scale::linear), "");
}

class ReportTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              (std::string("ito_report_") +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "run" / "samples");
  }
  void TearDown() override { fs::remove_all(folder_); }
  void write(const std::string& file, const std::string& text) const {
    std::ofstream(run() / file, std::ios::binary) << text;
  }
  fs::path run() const { return folder_ / "run"; }

  fs::path folder_;
};

TEST_F(ReportTest, ReadsWhatARunWrote) {
  write("config.toml", "[train]\nbatch = 10\n[model]\nnf = 8\n");
  write("metrics.jsonl",
        "{\"step\": 9, \"loss\": 0.5, \"lr\": 0.1, \"images\": 100}\n"
        "{\"step\": 9, \"eval_loss\": 0.7}\n"
        "{\"step\": 19, \"loss\": 0.25, \"lr\": 0.1, \"images\": 200}\n"
        "{\"step\": 29, \"lo");
  // Resumed after step 19, where the clock starts again.
  write("timing.jsonl",
        "{\"step\": 9, \"seconds\": 1, \"images_per_second\": 100}\n"
        "{\"step\": 19, \"seconds\": 3, \"images_per_second\": 66.67}\n"
        "{\"step\": 29, \"seconds\": 4, \"images_per_second\": 25}\n"
        "{\"step\": 39, \"seconds\": 4.5, \"images_per_second\": 44.44}\n");
  write("environment.jsonl",
        "{\"cpu\": \"old\"}\n{\"cpu\": \"new\", \"convolution_gflops\": 12.5}\n");
  write("eval.jsonl", "{\"target\": \"step_1\", \"metrics\": {\"swd\": 1.5}}\n[]\n");
  const RunRecord r = read_run(run());
  EXPECT_EQ(r.name, "run");
  EXPECT_EQ(r.config.train.batch, 10);
  EXPECT_EQ(r.metrics.at("loss").values, (std::vector<double>{0.5, 0.25}));
  EXPECT_EQ(r.metrics.at("loss").steps, (std::vector<double>{9, 19}));
  EXPECT_EQ(r.metrics.at("eval_loss").values, (std::vector<double>{0.7}));
  // Ten steps of ten images in 1, 2, 4 and 0.5 s.
  EXPECT_EQ(r.images_per_second.values, (std::vector<double>{100, 50, 25, 200}));
  EXPECT_EQ(r.environment.at("cpu"), "new");
  EXPECT_EQ(r.measured_gflops, 12.5);
  ASSERT_EQ(r.evaluations.size(), 1u);
  EXPECT_EQ(r.evaluations[0].at("swd"), "1.5");
}

TEST_F(ReportTest, ChoosesPicturesFromFirstToLast) {
  write("config.toml", "");
  for (int i = 0; i < 11; ++i) {
    write("samples/step_" + std::to_string(10 + i) + ".png",
          "\x89PNG\r\n\x1a\n" + std::to_string(i));
  }
  write("samples/notes.txt", "no picture");
  const RunRecord r = read_run(run());
  std::vector<std::string> names;
  for (const Picture& p : r.pictures) names.push_back(p.name);
  EXPECT_EQ(names, (std::vector<std::string>{"step_10.png", "step_12.png", "step_14.png",
                                             "step_16.png", "step_18.png", "step_20.png"}));
  EXPECT_FALSE(r.trajectory.has_value());
  write("samples/trajectory_00000009.png", "\x89PNG\r\n\x1a\n9");
  write("samples/trajectory_00000012.png", "\x89PNG\r\n\x1a\n12");
  EXPECT_EQ(read_run(run()).pictures.size(), kMostPictures);
  ASSERT_TRUE(read_run(run()).trajectory.has_value());
  EXPECT_EQ(read_run(run()).trajectory->name, "trajectory_00000012.png");
  write("samples/step_10.png", "<svg onload=alert(1)>");
  EXPECT_EQ(read_run(run()).pictures.size(), kMostPictures - 1);
}

TEST_F(ReportTest, PageHoldsNoForeignMarkup) {
  const std::string attack = "<script>alert(1)</script>";
  write("config.toml", "# " + attack + "\n[data]\npath = \"" + attack + "\"\n");
  write("metrics.jsonl", "{\"step\": 0, \"loss\": 1, \"" + attack +
                             "\": 2}\n"
                             "{\"step\": \"" +
                             attack + "\", \"loss\": 1}\n[[[[\n");
  write("environment.jsonl", "{\"" + attack + "\": \"" + attack + "\\u0000\"}\n");
  write("eval.jsonl", "{\"target\": \"" + attack + "\", \"metrics\": {\"" + attack + "\": [1]}}\n");
  const fs::path hostile = folder_ / "<img src=x>";
  fs::rename(run(), hostile);
  const std::string page = page_html({read_run(hostile), read_run(hostile)});
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("<img src=x"), std::string::npos);
  EXPECT_NE(page.find("&lt;img src=x&gt;"), std::string::npos);
  EXPECT_NE(page.find("&lt;script&gt;alert(1)"), std::string::npos);
}

TEST_F(ReportTest, NeedsARun) {
  EXPECT_THROW(read_run(run()), UserError);
  EXPECT_THROW(read_run(folder_ / "nothing"), UserError);
  write("config.toml", "[train\n");
  EXPECT_THROW(read_run(run()), UserError);
}

}  // namespace
}  // namespace ito::report
