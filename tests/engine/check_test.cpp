#include "engine/core/check.h"

#include <gtest/gtest.h>

#include "engine/core/utf8.h"

namespace ito {
namespace {

TEST(Check, NamesRuleAndValues) {
  try {
    ITO_CHECK(1 == 2, ShapeError, "channels must divide by groups", kv("C", 130), kv("x", 0.5));
    FAIL() << "did not throw";
  } catch (const ShapeError& e) {
    EXPECT_STREQ(e.what(), "channels must divide by groups (C=130, x=0.5)");
  }
}

TEST(Check, UserErrorCarriesCodeAndFix) {
  try {
    fail(ErrorCode::file_truncated, "a\x1b.idx", "has 3 bytes, needs 16", "copy it again");
    FAIL() << "did not throw";
  } catch (const UserError& e) {
    EXPECT_EQ(exit_code_of(e.code()), 3);
    EXPECT_STREQ(e.what(), "a\\x1B.idx: has 3 bytes, needs 16; fix: copy it again");
  }
}

TEST(Check, EscapesControlsAndBrokenUtf8ButKeepsText) {
  EXPECT_EQ(escaped("gr\xc3\xb6\xc3\x9f"
                    "e"),
            "gr\xc3\xb6\xc3\x9f"
            "e");
  EXPECT_EQ(escaped("a\nb\x7f"), "a\\x0Ab\\x7F");
  EXPECT_EQ(escaped("\xc3"), "\\xC3");
  EXPECT_EQ(escaped("\xc2\x9b"), "\\xC2\\x9B");
  // JSON refuses these, too: overlong, a surrogate, beyond U+10FFFF.
  EXPECT_EQ(escaped("\xc0\xaf"), "\\xC0\\xAF");
  EXPECT_EQ(escaped("\xed\xa0\x80"), "\\xED\\xA0\\x80");
  EXPECT_EQ(escaped("\xf4\x90\x80\x80"), "\\xF4\\x90\\x80\\x80");
  EXPECT_EQ(escaped("\xe0\x81\x81"), "\\xE0\\x81\\x81");  // too long
}

TEST(Check, KnowsUtf8) {
  for (const char* text : {"", "a", "\xc3\xa9", "\xe4\xbc\x8a", "\xf0\x9f\x98\x80"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
  for (const char* text : {"\xff", "a\xc3", "\xc1\x81", "\xed\xbf\xbf", "\xf4\x90\x80\x80"}) {
    EXPECT_FALSE(is_utf8(text)) << escaped(text);
  }
}

}  // namespace
}  // namespace ito
