// The layout before PyTorch 1.6: five pickles (magic number, protocol version, about the machine,
// the object, keys of its storages), then for each storage its number of elements and its bytes.
#include <fstream>
#include <map>

#include "tools/import/archive.h"

namespace ito::tools {
namespace {

using Kind = Value::Kind;

constexpr std::string_view kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr int64_t kProtocol = 1001;

class StreamArchive final : public TorchFile::Archive {
 public:
  explicit StreamArchive(const std::filesystem::path& file)
      : file_(file), in_(file, std::ios::binary) {
    std::error_code error;
    file_size_ = std::filesystem::file_size(file, error);
    if (error || !in_) {
      fail(ErrorCode::file_missing, file.string(), "cannot be opened", "check the path");
    }
  }

  Pickle object() override {
    // Where a pickle ends is known only after it is read: read what the limit allows.
    std::vector<uint8_t> head(std::min<uint64_t>(file_size_, 2 * kMostPickleBytes));
    read(0, head);
    uint64_t at = 0;
    const auto next = [&](const char* part) {
      Pickle pickle = read_pickle(std::span(head).subspan(at), file_.string(), part);
      at += pickle.size;
      return pickle;
    };
    const Pickle magic = next("magic number");
    if (magic.at(magic.root).text != kMagic) {
      fail(ErrorCode::file_unknown, file_.string(), "is a pickle, but not one of torch.save",
           "use a file written by torch.save");
    }
    const Pickle protocol = next("protocol version");
    if (protocol.at(protocol.root).integer != kProtocol) {
      fail(ErrorCode::file_unknown, file_.string(), "has another version than 1001",
           "save it again with a current PyTorch");
    }
    next("description of the machine");
    Pickle object = next("object");
    const Pickle keys = next("list of storages");
    locate(object, keys, at);
    return object;
  }

  std::vector<uint8_t> storage(const std::string& key, uint64_t size) override {
    const auto found = places_.find(key);
    if (found == places_.end()) corrupt_file(file_, "has no storage " + key);
    if (found->second.size != size) corrupt_file(file_, "describes storage " + key + " twice");
    std::vector<uint8_t> bytes(size);
    read(found->second.begin, bytes);
    return bytes;
  }

 private:
  struct Place {
    uint64_t begin, size;
  };

  void read(uint64_t begin, std::span<uint8_t> to) {
    in_.seekg(static_cast<std::streamoff>(begin));
    if (!in_.read(reinterpret_cast<char*>(to.data()), static_cast<std::streamsize>(to.size()))) {
      corrupt_file(file_, "cannot be read at byte " + std::to_string(begin));
    }
  }

  /// Finds each storage: the sizes of its elements are known from the object alone.
  void locate(const Pickle& object, const Pickle& keys, uint64_t at) {
    std::map<std::string, StorageInfo> described;
    for (const Value& value : object.values) {
      if (value.kind != Kind::persistent) continue;
      StorageInfo info = storage_info(object, value, file_);
      const std::string key = info.key;
      described.emplace(key, std::move(info));
    }
    const Value& list = keys.at(keys.root);
    if (list.kind != Kind::list) corrupt_file(file_, "has no list of storages");
    for (const ValueId id : list.items) {
      const auto found = described.find(keys.at(id).text);
      if (found == described.end()) corrupt_file(file_, "has a storage that nothing uses");
      const StorageInfo& info = found->second;
      uint64_t elements = 0;
      if (file_size_ - at < sizeof elements) {
        truncated_file(file_, "ends before storage " + info.key);
      }
      read(at, std::span(reinterpret_cast<uint8_t*>(&elements), sizeof elements));
      if (elements != info.elements) {
        corrupt_file(file_, "storage " + info.key + " has " + std::to_string(elements) +
                                " elements, its tensors need " + std::to_string(info.elements));
      }
      at += sizeof elements;
      if (elements > (file_size_ - at) / info.element_size) {
        truncated_file(file_, "ends inside storage " + info.key);
      }
      places_[info.key] = {at, elements * info.element_size};
      at += elements * info.element_size;
    }
  }

  std::filesystem::path file_;
  std::ifstream in_;
  uint64_t file_size_ = 0;
  std::map<std::string, Place> places_;
};

}  // namespace

std::unique_ptr<TorchFile::Archive> open_stream_archive(const std::filesystem::path& file) {
  return std::make_unique<StreamArchive>(file);
}

}  // namespace ito::tools
