#include "tests/data/zip_bytes.h"

#include <zlib.h>

#include <initializer_list>
#include <stdexcept>
#include <utility>

namespace ito::data::test {

namespace {

void append(Bytes& bytes, std::initializer_list<std::pair<uint32_t, int>> numbers) {
  for (const auto& [value, width] : numbers) {
    for (int i = 0; i < width; ++i) bytes.push_back(uint8_t(value >> (8 * i)));
  }
}

void check(bool good) {
  if (!good) throw std::runtime_error("zlib does not pack");
}

/// Deflate without a header around it.
Bytes deflated(const Bytes& bytes) {
  z_stream stream = {};
  check(deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  Bytes packed(deflateBound(&stream, bytes.size()));
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = uInt(bytes.size());
  stream.next_out = packed.data();
  stream.avail_out = uInt(packed.size());
  check(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

}  // namespace

// PKWARE's APPNOTE: local headers with the data, the central directory, its end.
Bytes zip(const std::vector<ZipEntry>& entries) {
  Bytes file, directory;
  for (const ZipEntry& e : entries) {
    const bool packs = e.packing == ZipEntry::Packing::deflated;
    const Bytes packed = packs ? deflated(e.bytes) : e.bytes;
    const auto sum = uint32_t(crc32(0, e.bytes.data(), uInt(e.bytes.size())));
    const uint32_t size = e.claimed > 0 ? e.claimed : uint32_t(e.bytes.size());
    const uint32_t offset = uint32_t(file.size()), name_size = uint32_t(e.name.size());
    const uint32_t method = packs ? 8 : 0;
    // What both headers say: version needed, flags, method, time, date, sum, sizes, lengths of name
    // and extra field.
    Bytes fields;
    append(fields, {{20, 2},
                    {0, 2},
                    {method, 2},
                    {0, 2},
                    {0x21, 2},
                    {sum, 4},
                    {uint32_t(packed.size()), 4},
                    {size, 4},
                    {name_size, 2},
                    {0, 2}});
    append(file, {{0x04034b50, 4}});
    file.insert(file.end(), fields.begin(), fields.end());
    file.insert(file.end(), e.name.begin(), e.name.end());
    file.insert(file.end(), packed.begin(), packed.end());
    append(directory, {{0x02014b50, 4}, {20, 2}});
    directory.insert(directory.end(), fields.begin(), fields.end());
    // Comment, disk, attributes (internal, external), place of the local header.
    append(directory, {{0, 2}, {0, 2}, {0, 2}, {0, 4}, {offset, 4}});
    directory.insert(directory.end(), e.name.begin(), e.name.end());
  }
  const auto count = uint32_t(entries.size()), start = uint32_t(file.size());
  const auto size = uint32_t(directory.size());
  file.insert(file.end(), directory.begin(), directory.end());
  append(file,
         {{0x06054b50, 4}, {0, 2}, {0, 2}, {count, 2}, {count, 2}, {size, 4}, {start, 4}, {0, 2}});
  return file;
}

}  // namespace ito::data::test
