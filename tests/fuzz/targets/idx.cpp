#include "tools/data/idx.h"
#include "tests/fuzz/input.h"

#include <unistd.h>

#include <fstream>

using namespace ito;

namespace {

/// A folder for the two files that belong together; they are found by their names.
class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / "ito-fuzz-XXXXXX") {
    std::string name = path_.string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  void write(const char* name, fuzz::Input bytes) const {
    std::ofstream(path_ / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace

/// The first byte says how many of the next bytes are the labels file; the rest is the images file.
ITO_FUZZ_TARGET(input) {
  static const Folder folder;
  if (input.empty()) return;
  const size_t labels = std::min<size_t>(input[0], input.size() - 1);
  folder.write("train-labels-idx1-ubyte", input.subspan(1, labels));
  folder.write("train-images-idx3-ubyte", input.subspan(1 + labels));
  data::read_idx(folder.path(), data::Split::train, 10);
}
