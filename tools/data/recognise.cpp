#include "tools/data/recognise.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "engine/core/check.h"
#include "tools/data/input_file.h"
#include "tools/data/packed.h"
#include "tools/data/zip_file.h"

namespace ito::data {

namespace {

namespace fs = std::filesystem;

constexpr const char* kFix = "name the kind of data set (data.name)";

std::string recognise_folder(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.find("-images-idx3-ubyte") != std::string::npos) return "mnist";
    const bool batch = name.starts_with("data_batch_") || name.starts_with("test_batch");
    if (batch && name.ends_with(".bin")) return "cifar10";
  }
  return "folder";
}

/// A zip archive holds arrays of NumPy, or else pictures.
std::string recognise_archive(const fs::path& path) {
  const ZipFile zip(path, "copy the archive again");
  for (uint64_t i = 0; i < zip.entries(); ++i) {
    if (zip.name(i).ends_with(".npy")) return "npz";
  }
  return "zip";
}

}  // namespace

std::string recognise(const fs::path& path) {
  if (path.empty()) {
    fail(ErrorCode::bad_value, "data.path", "is empty", "set it to the folder or file of the data");
  }
  std::error_code error;
  if (fs::is_directory(path, error)) return recognise_folder(path);
  const std::vector<uint8_t> bytes = InputFile(path).read(kPackedMagic.size());
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  constexpr std::string_view kIdx("\0\0\x08\x03", 4);
  if (start == kPackedMagic) return "packed";
  if (start.starts_with("PK")) return recognise_archive(path);
  if (start.starts_with(kIdx)) return "mnist";
  if (path.extension() == ".csv" || path.string().ends_with(".csv.gz")) return "csv";
  fail(ErrorCode::file_unknown, path.string(),
       "is neither a folder, an archive, an idx file, a packed file nor a .csv file", kFix);
}

}  // namespace ito::data
