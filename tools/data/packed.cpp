#include "tools/data/packed.h"

#include <algorithm>

#include "engine/core/check.h"
#include "engine/io/checksum.h"
#include "tools/data/output_file.h"

namespace ito::data {

namespace {

constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderBytes = 192, kNameAt = 104, kSumAt = 184, kAlignment = 64;
constexpr uint32_t kMostSide = 1 << 16;
constexpr const char* kFix = "pack the data set again with ito data pack";

uint64_t sum_of(std::span<const uint8_t> bytes) {
  Checksum sum;
  sum.add(bytes.data(), bytes.size());
  return sum.value();
}

template <class T>
T get(std::span<const uint8_t> bytes, size_t at) {
  T value = 0;
  for (size_t i = sizeof(T); i-- > 0;) value = static_cast<T>(value << 8 | bytes[at + i]);
  return value;
}

template <class T>
void put(std::span<uint8_t> bytes, size_t at, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) bytes[at + i] = static_cast<uint8_t>(value >> (8 * i));
}

std::vector<uint8_t> header_bytes(const PackedHeader& h) {
  std::vector<uint8_t> bytes(kHeaderBytes, 0);
  std::ranges::copy(kPackedMagic, bytes.begin());
  put<uint32_t>(bytes, 8, kVersion);
  put<uint32_t>(bytes, 12, static_cast<uint32_t>(h.shape.height));
  put<uint32_t>(bytes, 16, static_cast<uint32_t>(h.shape.width));
  put<uint32_t>(bytes, 20, static_cast<uint32_t>(h.shape.channels));
  put<uint32_t>(bytes, 24, static_cast<uint32_t>(h.classes));
  put<uint64_t>(bytes, 32, h.count);
  put<uint64_t>(bytes, 40, h.train.first);
  put<uint64_t>(bytes, 48, h.train.count);
  put<uint64_t>(bytes, 56, h.test.first);
  put<uint64_t>(bytes, 64, h.test.count);
  put<uint64_t>(bytes, 72, h.labels_at);
  put<uint64_t>(bytes, 80, h.pixels_at);
  put<uint64_t>(bytes, 88, h.file_size);
  put<uint64_t>(bytes, 96, h.content_sum);
  std::ranges::copy(h.name.substr(0, kSumAt - kNameAt), bytes.begin() + kNameAt);
  put<uint64_t>(bytes, kSumAt, sum_of(std::span(bytes).first(kSumAt)));
  return bytes;
}

/// Where the parts of a file of that content lie.
void lay_out(PackedHeader& h) {
  const uint64_t labels = h.classes > 0 ? h.count : 0;
  h.labels_at = h.classes > 0 ? kHeaderBytes : 0;
  h.pixels_at = (kHeaderBytes + labels + kAlignment - 1) / kAlignment * kAlignment;
  h.file_size = h.pixels_at + h.count * h.shape.numel();
}

[[noreturn]] void corrupt(std::string_view subject, const std::string& fact) {
  fail(ErrorCode::file_corrupt, subject, fact, kFix);
}

void check_numbers(const PackedHeader& h, std::string_view subject) {
  const ImageShape s = h.shape;
  const auto size_is_fine = [](int n) { return n >= 1 && static_cast<uint32_t>(n) <= kMostSide; };
  if (!size_is_fine(s.height) || !size_is_fine(s.width) || (s.channels != 1 && s.channels != 3) ||
      h.classes < 0 || h.classes > 256) {
    corrupt(subject, "promises images of " + std::to_string(s.height) + " x " +
                         std::to_string(s.width) + " x " + std::to_string(s.channels) + " in " +
                         std::to_string(h.classes) + " classes");
  }
  if (h.count == 0 || h.count > UINT32_MAX || h.count > (uint64_t{1} << 62) / s.numel()) {
    corrupt(subject, "promises " + std::to_string(h.count) + " images");
  }
  for (const ImageRange& part : {h.train, h.test}) {
    if (part.count == 0 || part.count > h.count || part.first > h.count - part.count) {
      corrupt(subject, "has a split of images " + std::to_string(part.first) + " to " +
                           std::to_string(part.first) + " + " + std::to_string(part.count));
    }
  }
  PackedHeader expected = h;
  lay_out(expected);
  if (h.labels_at != expected.labels_at || h.pixels_at != expected.pixels_at ||
      h.file_size != expected.file_size) {
    corrupt(subject, "has a header whose places contradict its sizes");
  }
}

}  // namespace

PackedHeader parse_packed_header(std::span<const uint8_t> start, uint64_t file_size,
                                 std::string_view subject) {
  if (start.size() < kHeaderBytes) {
    fail(ErrorCode::file_truncated, subject,
         "has " + std::to_string(start.size()) + " bytes, its header alone needs " +
             std::to_string(kHeaderBytes),
         kFix);
  }
  if (!std::ranges::equal(start.first(kPackedMagic.size()), kPackedMagic)) {
    corrupt(subject, "is no packed data set");
  }
  if (const auto version = get<uint32_t>(start, 8); version != kVersion) {
    fail(ErrorCode::file_unknown, subject, "is of version " + std::to_string(version),
         "use version 1, or a newer ito");
  }
  if (get<uint64_t>(start, kSumAt) != sum_of(start.first(kSumAt))) {
    corrupt(subject, "has a header that was changed");
  }
  PackedHeader h;
  const auto number = [&](size_t at) { return static_cast<int>(get<uint32_t>(start, at)); };
  h.shape = {number(12), number(16), number(20)};
  h.classes = number(24);
  h.count = get<uint64_t>(start, 32);
  h.train = {get<uint64_t>(start, 40), get<uint64_t>(start, 48)};
  h.test = {get<uint64_t>(start, 56), get<uint64_t>(start, 64)};
  h.labels_at = get<uint64_t>(start, 72);
  h.pixels_at = get<uint64_t>(start, 80);
  h.file_size = get<uint64_t>(start, 88);
  h.content_sum = get<uint64_t>(start, 96);
  const auto name = start.subspan(kNameAt, kSumAt - kNameAt);
  h.name.assign(name.begin(), std::ranges::find(name, 0));
  check_numbers(h, subject);
  if (file_size < h.file_size) {
    fail(ErrorCode::file_truncated, subject,
         "has " + std::to_string(file_size) + " bytes, needs " + std::to_string(h.file_size),
         "copy the file again");
  }
  if (file_size > h.file_size) {
    fail(ErrorCode::file_mismatch, subject,
         "has " + std::to_string(file_size) + " bytes, was written with " +
             std::to_string(h.file_size),
         "copy the file again");
  }
  return h;
}

Dataset::Content open_packed(const std::filesystem::path& path, Split split) {
  Dataset::Content content;
  content.mapping = std::make_shared<const MappedFile>(path);
  const std::span<const uint8_t> bytes = content.mapping->bytes();
  const PackedHeader h = parse_packed_header(bytes, bytes.size(), path.string());
  const ImageRange part = split == Split::train ? h.train : h.test;
  content.shape = h.shape;
  content.classes = h.classes;
  content.held_out = h.train != h.test;
  const size_t each = h.shape.numel();
  content.view = bytes.subspan(h.pixels_at + part.first * each, part.count * each);
  if (h.classes == 0) return content;
  const auto labels = bytes.subspan(h.labels_at + part.first, part.count);
  content.labels.assign(labels.begin(), labels.end());
  const int most = *std::ranges::max_element(content.labels);
  if (most >= h.classes) {
    corrupt(path.string(),
            "has label " + std::to_string(most) + ", not below " + std::to_string(h.classes));
  }
  return content;
}

PackedHeader check_packed(const std::filesystem::path& path) {
  open_packed(path, Split::train);
  open_packed(path, Split::test);
  const MappedFile file(path);
  const PackedHeader h = parse_packed_header(file.bytes(), file.bytes().size(), path.string());
  if (sum_of(file.bytes().subspan(kHeaderBytes)) != h.content_sum) {
    corrupt(path.string(), "was changed after it was packed: its check sum is wrong");
  }
  return h;
}

PackedHeader write_packed(const std::filesystem::path& path, const PackedContent& content) {
  ITO_CHECK(content.labels.size() == (content.classes > 0 ? content.count : 0), ValueError,
            "a labelled data set has one label per sample", kv("labels", content.labels.size()),
            kv("samples", content.count));
  PackedHeader h{.shape = content.shape,
                 .classes = content.classes,
                 .count = content.count,
                 .train = content.train,
                 .test = content.test,
                 .name = content.name};
  lay_out(h);
  check_numbers(h, path.string());
  OutputFile file(path);
  file.write(header_bytes(h));  // the place of the header; its sum comes last
  Checksum sum;
  const auto append = [&](std::span<const uint8_t> bytes) {
    sum.add(bytes.data(), bytes.size());
    file.write(bytes);
  };
  append(content.labels);
  append(std::vector<uint8_t>(h.pixels_at - kHeaderBytes - content.labels.size(), 0));
  for (uint64_t i = 0; i < content.count; ++i) {
    const std::vector<uint8_t> image = content.image(i);
    ITO_CHECK(image.size() == content.shape.numel(), ValueError, "images have one size",
              kv("image", i), kv("bytes", image.size()));
    append(image);
  }
  h.content_sum = sum.value();
  file.write_at(0, header_bytes(h));
  file.commit();
  return h;
}

}  // namespace ito::data
