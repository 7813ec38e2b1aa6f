// Writes 2^24 fixed normals to the file named by the first argument. The build compiles this one
// source with several compilers and options; the streams must agree byte for byte.
#include <cstdio>
#include <vector>

#include "engine/random/noise.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  constexpr uint32_t kBlocks = 1u << 22;
  constexpr ito::NoiseKey kKey{.seed = 20260711, .purpose = ito::Purpose::prior, .step = 3};
  std::vector<ito::F32x4> z(kBlocks);
  for (uint32_t block = 0; block < kBlocks; ++block) {
    z[block] = ito::normal4(ito::noise_bits(kKey, block >> 16, block & 0xffffu));
  }
  std::FILE* file = std::fopen(argv[1], "wb");
  if (file == nullptr) return 1;
  const size_t written = std::fwrite(z.data(), sizeof(z[0]), z.size(), file);
  return std::fclose(file) == 0 && written == z.size() ? 0 : 1;
}
