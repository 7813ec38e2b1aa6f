// The program around one target: TARGET SEEDS MUTATIONS [SEED] replays the files below SEEDS and
// mutations of them. An input that ends the process lies in crash.bin in the working folder.
//   TARGET INPUT runs one input, such as that one.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/fuzz/driver.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

namespace fs = std::filesystem;
using ito::fuzz::Bytes;

Bytes read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void keep(const Bytes& input) {
  std::FILE* file = std::fopen("crash.bin", "wb");
  if (file == nullptr) return;
  std::fwrite(input.data(), 1, input.size(), file);
  std::fclose(file);
}

}  // namespace

int main(int argc, char** argv) {
  const auto target = [](const Bytes& input) {
    LLVMFuzzerTestOneInput(input.data(), input.size());
  };
  if (argc == 2) {
    target(read(argv[1]));
    return 0;
  }
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s SEEDS MUTATIONS [SEED], or %s INPUT\n", argv[0], argv[0]);
    return 2;
  }
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(argv[1])) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  std::vector<Bytes> seeds;
  for (const fs::path& file : files) seeds.push_back(read(file));
  if (seeds.empty()) {
    std::fprintf(stderr, "%s: holds no file\n", argv[1]);
    return 2;
  }
  const uint64_t seed = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1;
  const int64_t inputs =
      ito::fuzz::drive(seeds, std::strtoll(argv[2], nullptr, 10), seed, target, keep);
  std::remove("crash.bin");
  std::printf("%lld inputs\n", static_cast<long long>(inputs));
  return 0;
}
