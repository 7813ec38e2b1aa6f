#include "tools/data/folder.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "engine/core/check.h"
#include "tools/data/input_file.h"
#include "tools/data/labels_file.h"

namespace ito::data {

namespace {

namespace fs = std::filesystem;

class PictureFiles final : public PictureSource {
 public:
  explicit PictureFiles(std::vector<fs::path> files) : files_(std::move(files)) {}
  int64_t size() const override { return std::ssize(files_); }
  std::string name(int64_t i) const override { return files_[size_t(i)].string(); }
  Image read(int64_t i) const override { return read_picture(files_[size_t(i)]); }

 private:
  std::vector<fs::path> files_;
};

std::vector<fs::path> pictures_below(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> files;
  const auto options = fs::directory_options::follow_directory_symlink;
  for (fs::recursive_directory_iterator it(folder, options, error), end; !error && it != end;
       it.increment(error)) {
    if (is_picture_name(it->path()) && it->is_regular_file(error)) files.push_back(it->path());
  }
  if (error) {
    fail(ErrorCode::file_missing, folder.string(), error.message(), "give a folder of images");
  }
  std::ranges::sort(files);
  return files;
}

struct SplitFiles {
  std::vector<fs::path> files;
  bool held_out = true;
};

/// The first of the subfolders that exists, or an empty path.
fs::path subfolder(const fs::path& folder, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    std::error_code error;
    if (fs::is_directory(folder / name, error)) return folder / name;
  }
  return {};
}

/// The files of a split. Without two named subfolders, nothing that is trained on is held out, too.
SplitFiles files_of(const fs::path& folder, Split split) {
  const fs::path train = subfolder(folder, {"train"});
  const fs::path test = subfolder(folder, {"test", "val", "valid"});
  if (!train.empty() && !test.empty()) {
    return {pictures_below(split == Split::train ? train : test)};
  }
  const std::vector<fs::path> all = pictures_below(train.empty() ? folder : train);
  SplitFiles part{.files = {}, .held_out = all.size() >= kLeastForSplit};
  for (size_t i = 0; i < all.size(); ++i) {
    if (belongs_to(split, i, all.size())) part.files.push_back(all[i]);
  }
  return part;
}

/// Classes by the folders that the files lie in; none if they all lie in one.
void label_by_folder(Dataset::Content& content, const std::vector<fs::path>& files) {
  std::map<fs::path, uint8_t> classes;
  for (const fs::path& file : files) classes[file.parent_path()] = 0;
  if (classes.size() < 2 || classes.size() > 256) return;
  uint8_t next = 0;
  for (auto& [folder, index] : classes) index = next++;
  for (const fs::path& file : files) content.labels.push_back(classes[file.parent_path()]);
  content.classes = int(classes.size());
}

void label(Dataset::Content& content, const fs::path& folder, const std::vector<fs::path>& files) {
  const fs::path labels = folder / kLabelsFile;
  std::error_code error;
  if (!fs::exists(labels, error)) return label_by_folder(content, files);
  std::vector<std::string> names;
  for (const fs::path& file : files) {
    names.push_back(file.lexically_relative(folder).generic_string());
  }
  const std::vector<uint8_t> text = InputFile(labels).read(kMaxContentBytes);
  PictureLabels found = labels_of(names, text, labels.string());
  content.labels = std::move(found.labels);
  content.classes = found.classes;
}

}  // namespace

Dataset::Content open_folder(const DataConfig& config, Split split, Framing framing) {
  const fs::path folder = config.path;
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    fail(ErrorCode::file_missing, folder.string(), "is no folder",
         "give a folder of PNG or JPEG files");
  }
  SplitFiles part = files_of(folder, split);
  if (part.files.empty()) {
    fail(ErrorCode::file_missing, folder.string(), "holds no .png, .jpg or .jpeg file",
         "give a folder of images");
  }
  Dataset::Content content;
  label(content, folder, part.files);
  content.held_out = part.held_out;
  content.framing = framing;
  content.pictures = std::make_shared<PictureFiles>(std::move(part.files));
  return content;
}

}  // namespace ito::data
