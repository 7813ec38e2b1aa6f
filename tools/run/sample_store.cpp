#include "tools/run/sample_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/core/check.h"
#include "engine/io/atomic_file.h"
#include "engine/io/checksum.h"
#include "tools/data/grid.h"
#include "tools/data/input_file.h"
#include "tools/data/png.h"
#include "tools/run/json_text.h"

namespace ito::tools {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBefore = "seed_", kAfter = ".png";

/// The seed in a name that PngFolder gives.
std::optional<int64_t> seed_in(std::string_view name) {
  if (!name.starts_with(kBefore) || !name.ends_with(kAfter)) return std::nullopt;
  name.remove_prefix(kBefore.size());
  name.remove_suffix(std::min(name.size(), kAfter.size()));
  int64_t seed = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), seed);
  const bool whole = error == std::errc() && end == name.data() + name.size() && seed >= 0;
  return whole ? std::optional(seed) : std::nullopt;
}

/// Whether a PNG file goes to its end: copying may have cut it short.
bool is_whole(const fs::path& file) {
  constexpr char kEnd[] = "\0\0\0\0IEND\xae\x42\x60\x82";
  char last[sizeof kEnd - 1];
  std::ifstream in(file, std::ios::binary);
  in.seekg(-static_cast<std::streamoff>(sizeof last), std::ios::end);
  return in.read(last, sizeof last) && std::memcmp(last, kEnd, sizeof last) == 0;
}

[[noreturn]] void write_failed(const fs::path& path, const std::string& reason) {
  fail(ErrorCode::write_failed, path.string(), reason, "name a folder that you may write to");
}

/// Seeds of the pictures that are there.
std::set<int64_t> pictures_in(const fs::path& folder) {
  std::set<int64_t> list;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (const auto seed = seed_in(entry.path().filename().string())) list.insert(*seed);
  }
  return list;
}

/// "" if pictures may be added beside what is there, else what is wrong with it.
std::string obstacle(const fs::path& record_file, const std::string& record, bool has_pictures) {
  constexpr uint64_t kMost = 1 << 20;
  std::error_code error;
  if (!fs::exists(record_file, error)) {
    return has_pictures ? "holds pictures of unknown origin (no samples.json)" : "";
  }
  if (!fs::is_regular_file(record_file, error)) return "holds a samples.json that is no plain file";
  const std::vector<uint8_t> bytes = data::InputFile(record_file).read(kMost);
  const std::string key = first_difference(record, std::string(bytes.begin(), bytes.end()));
  if (key.empty()) return "";
  return "holds samples of other settings (" + key + " differs in samples.json)";
}

}  // namespace

PngFolder::PngFolder(fs::path folder, data::ImageShape shape, const std::string& record,
                     Existing existing)
    : folder_(std::move(folder)), shape_(shape) {
  std::error_code error;
  made_ = fs::create_directories(folder_, error);
  if (error) write_failed(folder_, "cannot be created: " + error.message());
  if (access(folder_.c_str(), W_OK) != 0) write_failed(folder_, "cannot be written to");
  lock_ = std::make_unique<OutputLock>(folder_, O_RDONLY | O_DIRECTORY);
  for (const char* ours : {"seed_", "samples.json"}) remove_temporaries(folder_, ours);
  present_ = pictures_in(folder_);
  const fs::path record_file = folder_ / "samples.json";
  const std::string why_not = obstacle(record_file, record, !present_.empty());
  if (!why_not.empty()) {
    if (existing == Existing::refuse) {
      fail(ErrorCode::output_exists, folder_.string(), why_not,
           "give another folder, or --overwrite");
    }
    for (const int64_t seed : present_) fs::remove(file_of(seed), error);
    present_.clear();
  }
  std::erase_if(present_, [this](int64_t seed) { return !is_whole(file_of(seed)); });
  const std::string text = json_text(Json::parse(record), 1) + "\n";
  write_file_atomically(record_file,
                        std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

PngFolder::~PngFolder() {
  if (!present_.empty()) return;
  std::error_code error;
  fs::remove(folder_ / "samples.json", error);
  if (made_) fs::remove(folder_, error);
}

fs::path PngFolder::file_of(int64_t seed) const {
  char name[40];
  std::snprintf(name, sizeof name, "seed_%06lld.png", static_cast<long long>(seed));
  return folder_ / name;
}

void PngFolder::write(int64_t seed, std::span<const uint8_t> bytes) {
  data::write_png(file_of(seed), bytes, shape_);
  present_.insert(seed);
}

std::vector<uint8_t> PngFolder::read(int64_t seed) const {
  const data::Image image = data::read_png(file_of(seed));
  if (image.shape == shape_) return image.bytes;
  fail(ErrorCode::file_mismatch, file_of(seed).string(), "is not a picture of this model",
       "remove it");
}

SampleStore::SampleStore(const SampleOutputs& outputs, const std::string& record,
                         std::vector<int64_t> seeds, const Shape& sample_shape)
    : seeds_(std::move(seeds)), per_sample_(static_cast<size_t>(sample_shape.numel())) {
  const data::ImageShape image{static_cast<int>(sample_shape[0]), static_cast<int>(sample_shape[1]),
                               static_cast<int>(sample_shape[2])};
  const Shape all{std::ssize(seeds_), sample_shape[0], sample_shape[1], sample_shape[2]};
  Json of_arrays = Json::parse(record);
  of_arrays["samples"] = seeds_.size();
  of_arrays["seeds_checksum"] = checksum_text(Tensor::from(seeds_, {std::ssize(seeds_)}));
  const auto array = [&](const fs::path& file, DType dtype) {
    return file.empty() ? nullptr
                        : std::make_unique<ArrayFile>(file, all, dtype, json_text(of_arrays),
                                                      outputs.existing);
  };
  npz_ = array(outputs.npz, DType::u8);
  raw_ = array(outputs.raw, DType::f32);
  if (outputs.png_folder.empty()) return;
  folder_ = std::make_unique<PngFolder>(outputs.png_folder, image, record, outputs.existing);
}

bool SampleStore::has(int64_t i) const {
  if (!folder_ && !npz_ && !raw_) return false;
  return (!folder_ || folder_->has(seeds_[static_cast<size_t>(i)])) &&
         (!npz_ || i < npz_->done()) && (!raw_ || i < raw_->done());
}

std::optional<std::vector<uint8_t>> SampleStore::picture(int64_t i) const {
  const int64_t seed = seeds_[static_cast<size_t>(i)];
  if (!folder_ || !folder_->has(seed)) return std::nullopt;
  return folder_->read(seed);
}

void SampleStore::write(std::span<const int64_t> places, std::span<const float> unit, int64_t end) {
  ITO_CHECK(unit.size() == places.size() * per_sample_, ValueError, "values are whole samples",
            kv("values", unit.size()), kv("samples", places.size()));
  std::vector<uint8_t> nearest, truncated;
  if (folder_) nearest = data::to_bytes(unit, data::Rounding::nearest);
  if (npz_) truncated = data::to_bytes(unit, data::Rounding::truncate);
  for (size_t n = 0; n < places.size(); ++n) {
    const int64_t i = places[n];
    const auto part = [&](auto values) { return values.subspan(n * per_sample_, per_sample_); };
    const int64_t seed = seeds_[static_cast<size_t>(i)];
    if (folder_ && !folder_->has(seed)) folder_->write(seed, part(std::span(nearest)));
    if (npz_) npz_->write(i, part(std::span(truncated)));
    if (!raw_) continue;
    const std::span<const float> floats = part(unit);
    raw_->write(i, {reinterpret_cast<const uint8_t*>(floats.data()), floats.size_bytes()});
  }
  if (npz_) npz_->mark_done(end);
  if (raw_) raw_->mark_done(end);
}

void SampleStore::finish() {
  if (npz_) npz_->finish();
  if (raw_) raw_->finish();
}

}  // namespace ito::tools
