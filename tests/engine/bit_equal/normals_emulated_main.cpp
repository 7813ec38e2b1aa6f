// Like normals_main.cpp, with the normals made by a GPU kernel on the emulator.
#include <cstdio>
#include <vector>

#include "tests/engine/bit_equal/normals.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  constexpr uint32_t kBlocks = 1u << 22;
  constexpr ito::NoiseKey kKey{.seed = 20260711, .purpose = ito::Purpose::prior, .step = 3};
  std::vector<ito::F32x4> z(kBlocks);
  if (!ito::emulated::write_normals(kKey, z.data(), kBlocks).ok()) return 3;
  std::FILE* file = std::fopen(argv[1], "wb");
  if (file == nullptr) return 1;
  const size_t written = std::fwrite(z.data(), sizeof(z[0]), z.size(), file);
  return std::fclose(file) == 0 && written == z.size() ? 0 : 1;
}
