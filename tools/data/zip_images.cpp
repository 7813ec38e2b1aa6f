#include "tools/data/zip_images.h"

#include <algorithm>

#include "engine/core/check.h"
#include "tools/data/input_file.h"
#include "tools/data/labels_file.h"
#include "tools/data/zip_file.h"

namespace ito::data {

namespace {

struct Entry {
  std::string name;
  uint64_t index;
  bool operator<(const Entry& other) const { return name < other.name; }
};

class ZippedPictures final : public PictureSource {
 public:
  ZippedPictures(std::shared_ptr<const ZipFile> zip, std::vector<Entry> entries)
      : zip_(std::move(zip)), entries_(std::move(entries)) {}
  int64_t size() const override { return std::ssize(entries_); }
  std::string name(int64_t i) const override { return zip_->subject(entries_[size_t(i)].index); }
  Image read(int64_t i) const override {
    const Entry& entry = entries_[size_t(i)];
    return decode_picture(zip_->read(entry.index, kMaxPictureBytes), entry.name, name(i));
  }

 private:
  std::shared_ptr<const ZipFile> zip_;
  std::vector<Entry> entries_;
};

std::vector<Entry> pictures_in(const ZipFile& zip) {
  std::vector<Entry> all;
  for (uint64_t i = 0; i < zip.entries(); ++i) {
    std::string name = zip.name(i);
    if (is_picture_name(name)) all.push_back({std::move(name), i});
  }
  std::ranges::sort(all, std::less<>());
  return all;
}

/// Those whose names begin with the first of the folders that has any.
std::vector<Entry> entries_below(const std::vector<Entry>& all,
                                 std::initializer_list<std::string_view> folders) {
  std::vector<Entry> part;
  for (const std::string_view folder : folders) {
    std::ranges::copy_if(all, std::back_inserter(part),
                         [&](const Entry& e) { return e.name.starts_with(folder); });
    if (!part.empty()) break;
  }
  return part;
}

/// The entries of a split, and whether the other split has others. As for folders.
std::vector<Entry> entries_of(std::vector<Entry> all, Split split, bool& held_out) {
  const std::vector<Entry> train = entries_below(all, {"train/"});
  const std::vector<Entry> test = entries_below(all, {"test/", "val/", "valid/"});
  held_out = true;
  if (!train.empty() && !test.empty()) return split == Split::train ? train : test;
  if (!train.empty()) all = train;
  held_out = all.size() >= kLeastForSplit;
  std::vector<Entry> part;
  for (size_t i = 0; i < all.size(); ++i) {
    if (belongs_to(split, i, all.size())) part.push_back(std::move(all[i]));
  }
  return part;
}

}  // namespace

Dataset::Content open_zip_images(const DataConfig& config, Split split, Framing framing) {
  const auto zip = std::make_shared<const ZipFile>(config.path, "copy the archive again");
  Dataset::Content content;
  std::vector<Entry> entries = entries_of(pictures_in(*zip), split, content.held_out);
  if (entries.empty()) {
    fail(ErrorCode::file_missing, config.path, "holds no .png, .jpg or .jpeg file",
         "give an archive of images");
  }
  if (const auto labels = zip->find(std::string(kLabelsFile))) {
    std::vector<std::string> names;
    for (const Entry& e : entries) names.push_back(e.name);
    PictureLabels found =
        labels_of(names, zip->read(*labels, kMaxPictureBytes), zip->subject(*labels));
    content.labels = std::move(found.labels);
    content.classes = found.classes;
  }
  content.framing = framing;
  content.pictures = std::make_shared<ZippedPictures>(zip, std::move(entries));
  return content;
}

}  // namespace ito::data
