// Real files, where there are some: label counts as published with them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "tools/data/dataset.h"

namespace ito::data {
namespace {

namespace fs = std::filesystem;

struct SharedFile {
  const char* test_name;
  const char* name;
  const char* path;
  Split split;
  std::vector<int64_t> counts;
};

class SharedFiles : public ::testing::TestWithParam<SharedFile> {};

TEST_P(SharedFiles, HaveThePublishedLabelCounts) {
  const char* shared = std::getenv("ITO_SHARED_DIR");
  const fs::path root =
      shared ? fs::path(shared) : fs::path(ITO_SOURCE_DIR).parent_path() / "shared";
  const fs::path path = root / "data" / GetParam().path;
  if (!fs::exists(path)) GTEST_SKIP() << GetParam().path << " is absent (set ITO_SHARED_DIR)";
  const auto set = open_dataset({.name = GetParam().name, .path = path.string()}, GetParam().split);
  std::vector<int64_t> counts(10);
  for (int64_t i = 0; i < set->size(); ++i) ++counts[size_t(set->label(i))];
  EXPECT_EQ(counts, GetParam().counts);
}

INSTANTIATE_TEST_SUITE_P(
    All, SharedFiles,
    ::testing::Values(SharedFile{"MnistTrain",
                                 "mnist",
                                 "mnist",
                                 Split::train,
                                 {5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949}},
                      SharedFile{"MnistTest",
                                 "mnist",
                                 "mnist",
                                 Split::test,
                                 {980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}},
                      SharedFile{"Fashion900",
                                 "fashion_mnist",
                                 "fashion-mnist-900/fashion900-images-idx3-ubyte.gz",
                                 Split::train,
                                 {90, 90, 90, 90, 90, 90, 90, 90, 90, 90}},
                      SharedFile{"CifarFirst4000",
                                 "cifar10",
                                 "cifar10-lossless-4000",
                                 Split::train,
                                 {396, 366, 420, 384, 422, 393, 414, 385, 407, 413}},
                      SharedFile{"CifarBatch1",
                                 "cifar10",
                                 "cifar10-jpeg-small",
                                 Split::train,
                                 {1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981}}),
    [](const auto& test) { return std::string(test.param.test_name); });

}  // namespace
}  // namespace ito::data
