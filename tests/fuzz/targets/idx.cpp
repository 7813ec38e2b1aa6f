#include "tools/data/idx.h"
#include "tests/fuzz/input.h"
#include "tests/support/temporary_folder.h"

#include <fstream>

using namespace ito;

namespace {

void write(const std::filesystem::path& file, fuzz::Input bytes) {
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
}

}  // namespace

/// The first byte says how many of the next bytes are the labels file; the rest is the images file.
ITO_FUZZ_TARGET(input) {
  // The two files belong together and are found by their names.
  static const testing::TemporaryFolder folder("ito-fuzz");
  if (input.empty()) return;
  const size_t labels = std::min<size_t>(input[0], input.size() - 1);
  write(folder.path() / "train-labels-idx1-ubyte", input.subspan(1, labels));
  write(folder.path() / "train-images-idx3-ubyte", input.subspan(1 + labels));
  data::read_idx(folder.path(), data::Split::train, 10);
}
