// The zip layout: NAME/data.pkl, NAME/data/KEY for each storage, NAME/version.
#include <zip.h>

#include <algorithm>

#include "engine/core/check.h"
#include "tools/import/archive.h"

namespace ito::tools {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr std::string_view kPickleName = "data.pkl";

struct CloseZip {
  void operator()(zip_t* zip) const { zip_discard(zip); }
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

class ZipArchive final : public TorchFile::Archive {
 public:
  explicit ZipArchive(const std::filesystem::path& file) : file_(file) {
    std::error_code error;
    file_size_ = std::filesystem::file_size(file, error);
    int code = 0;
    zip_.reset(zip_open(file.c_str(), ZIP_RDONLY, &code));
    if (!zip_) corrupt_file(file, "is a zip archive that is damaged or cut short");
    find_folder();
  }

  Pickle object() override {
    const Bytes order = has("byteorder") ? entry("byteorder", 6) : Bytes();
    if (std::string(order.begin(), order.end()) == "big") {
      fail(ErrorCode::file_unknown, file_.string(), "was written on a big-endian machine",
           "save it again on a little-endian one");
    }
    const Bytes bytes = entry(std::string(kPickleName), kMostPickleBytes);
    return read_pickle(bytes, file_.string(), kPickleName);
  }

  Bytes storage(const std::string& key, uint64_t size) override {
    Bytes bytes = entry("data/" + key, size);
    if (bytes.size() != size) {
      corrupt_file(file_, "storage " + key + " has " + std::to_string(bytes.size()) +
                              " bytes, its tensors need " + std::to_string(size));
    }
    return bytes;
  }

 private:
  /// All entries lie in one folder, named after the file that was written.
  void find_folder() {
    const zip_int64_t count = zip_get_num_entries(zip_.get(), 0);
    int found = 0;
    for (zip_int64_t i = 0; i < count; ++i) {
      const char* name = zip_get_name(zip_.get(), static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW);
      const std::string_view path = name == nullptr ? "" : name;
      if (!path.ends_with(kPickleName)) continue;
      const std::string_view folder = path.substr(0, path.size() - kPickleName.size());
      if (folder.empty() || folder.find('/') != folder.size() - 1) continue;
      folder_ = folder;
      ++found;
    }
    if (found == 1) return;
    fail(ErrorCode::file_unknown, file_.string(),
         "is a zip archive with " + std::to_string(found) + " entries NAME/data.pkl",
         "use a file written by torch.save");
  }

  bool has(const std::string& name) const {
    return zip_name_locate(zip_.get(), (folder_ + name).c_str(), ZIP_FL_ENC_RAW) >= 0;
  }

  /// The content of an entry. It is stored, not packed, so that it cannot be larger than the file.
  Bytes entry(const std::string& name, uint64_t limit) {
    zip_stat_t about;
    zip_stat_init(&about);
    if (zip_stat(zip_.get(), (folder_ + name).c_str(), ZIP_FL_ENC_RAW, &about) != 0) {
      corrupt_file(file_, "has no entry " + name);
    }
    if (about.comp_method != ZIP_CM_STORE || about.size != about.comp_size) {
      corrupt_file(file_, "has a packed entry " + name + ", torch.save packs none");
    }
    if (about.size > limit || about.size > file_size_) {
      corrupt_file(file_, "has " + std::to_string(about.size) + " bytes in its entry " + name +
                              ", at most " + std::to_string(std::min(limit, file_size_)) + " fit");
    }
    Bytes bytes(about.size);
    const std::unique_ptr<zip_file_t, CloseZip> in(zip_fopen_index(zip_.get(), about.index, 0));
    // The reader compares the check sum when it meets the end of the entry.
    uint8_t beyond = 0;
    if (!in || zip_fread(in.get(), bytes.data(), about.size) != zip_int64_t(about.size) ||
        zip_fread(in.get(), &beyond, 1) != 0) {
      corrupt_file(file_, "cannot be read at its entry " + name);
    }
    return bytes;
  }

  std::filesystem::path file_;
  uint64_t file_size_ = 0;
  std::string folder_;  // with the slash
  std::unique_ptr<zip_t, CloseZip> zip_;
};

}  // namespace

std::unique_ptr<TorchFile::Archive> open_zip_archive(const std::filesystem::path& file) {
  return std::make_unique<ZipArchive>(file);
}

}  // namespace ito::tools
