#include "tools/run/json_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace ito::tools {
namespace {

TEST(JsonText, EscapesWhatIsNotPlain) {
  EXPECT_EQ(json_text("plain text"), "\"plain text\"");
  EXPECT_EQ(json_text("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
  EXPECT_EQ(json_text("\n\t\x01\x1b[31m\x7f"), "\"\\n\\t\\u0001\\u001b[31m\\u007f\"");
  EXPECT_EQ(json_text(std::string("a\0b", 3)), "\"a\\u0000b\"");
}

TEST(JsonText, WritesOtherCharactersInAscii) {
  EXPECT_EQ(json_text("\xc3\xa9"), "\"\\u00e9\"");
  EXPECT_EQ(json_text("\xe4\xbc\x8a"), "\"\\u4f0a\"");
  EXPECT_EQ(json_text("\xef\xbf\xbf"), "\"\\uffff\"");
  // Beyond the basic plane: two halves, the first and the last of them.
  EXPECT_EQ(json_text("\xf0\x90\x80\x80"), "\"\\ud800\\udc00\"");
  EXPECT_EQ(json_text("\xf0\x9f\x98\x80"), "\"\\ud83d\\ude00\"");
  EXPECT_EQ(json_text("\xf4\x8f\xbf\xbf"), "\"\\udbff\\udfff\"");
}

TEST(JsonText, ReplacesBytesThatAreNoUtf8) {
  EXPECT_EQ(json_text("a\xff-"), "\"a\\ufffd-\"");
  EXPECT_EQ(json_text("\xc3"), "\"\\ufffd\"");            // cut off
  EXPECT_EQ(json_text("\xe4\xbc\""), "\"\\ufffd\\\"\"");  // cut off by a quote, which stays
  for (const char* text : {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
    const std::string json = json_text(text);  // too long, half a pair, too large
    EXPECT_TRUE(json.starts_with("\"\\ufffd") && json.ends_with("\\ufffd\"")) << json;
  }
  EXPECT_EQ(json_text(Json{{"\xff", 1}}), "{\"\\ufffd\":1}");  // in keys, too
}

TEST(JsonText, EveryByteGivesOneLineOfAsciiThatReadsBack) {
  for (int first = 0; first < 256; ++first) {
    const std::string text = {'x', static_cast<char>(first), 'y'};
    const std::string json = json_text(text);
    for (const char c : json) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << first;
    const std::string back = Json::parse(json).get<std::string>();
    EXPECT_EQ(back, first < 0x80 ? text : "x\xef\xbf\xbdy") << first;
  }
}

TEST(JsonText, NumbersReadBackAndIndentationBreaksLines) {
  for (const double value : {0.1, 1.0 / 3, 5e-324, 1e300}) {
    EXPECT_EQ(Json::parse(json_text(value)).get<double>(), value);
  }
  EXPECT_EQ(json_text({{"n", std::nan("")}, {"i", int64_t{1} << 62}}),
            "{\"n\":null,\"i\":4611686018427387904}");
  EXPECT_EQ(json_text(Json{{"a", 1}}, 1), "{\n \"a\": 1\n}");
}

TEST(JsonText, PrintsOneLine) {
  testing::internal::CaptureStdout();
  print_json({{"file", "a\nb"}});
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "{\"file\":\"a\\nb\"}\n");
}

}  // namespace
}  // namespace ito::tools
