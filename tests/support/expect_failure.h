// What every failure that a user can mend must look like.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "engine/core/check.h"

namespace ito::testing {

/// Runs f, which must throw UserError with this code and with all fragments on its one line.
template <class F>
void expect_failure(ErrorCode code, std::initializer_list<std::string_view> fragments, F&& f) {
  try {
    f();
    ADD_FAILURE() << "did not throw";
  } catch (const UserError& error) {
    const std::string line = error.what();
    EXPECT_EQ(int(error.code()), int(code)) << line;
    EXPECT_FALSE(error.fix().empty()) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    for (const std::string_view fragment : fragments) {
      EXPECT_NE(line.find(fragment), std::string::npos) << line << " lacks: " << fragment;
    }
  }
}

}  // namespace ito::testing
