#include "tools/data/npz.h"

#include <zip.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "engine/io/atomic_file.h"
#include "tools/data/input_file.h"
#include "tools/data/zip_file.h"

namespace ito::data {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kAlignment = 64;
constexpr size_t kMostHeader = 1 << 16;
constexpr const char* kFix = "write it again with numpy.savez";

[[noreturn]] void corrupt(std::string_view subject, const std::string& fact) {
  fail(ErrorCode::file_corrupt, subject, fact, kFix);
}

struct ElementType {
  std::string_view descr;
  DType dtype;
};
constexpr ElementType kTypes[] = {{"<f4", DType::f32},
                                  {"<f8", DType::f64},
                                  {"<i4", DType::i32},
                                  {"<i8", DType::i64},
                                  {"|u1", DType::u8}};

/// The header is a Python dictionary {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }.
/// Every key is looked for by itself; the text is short and comes from one writer.
class Header {
 public:
  Header(std::string_view text, std::string_view subject) : text_(text), subject_(subject) {}

  DType dtype() const {
    std::string_view rest = after("'descr':");
    if (!take(rest, "'")) corrupt(subject_, "has elements of no plain type");
    const std::string_view descr = rest.substr(0, rest.find('\''));
    for (const ElementType& type : kTypes) {
      if (descr == type.descr) return type.dtype;
    }
    fail(ErrorCode::file_unknown, subject_, "has elements of type " + std::string(descr),
         "save float32, float64, int32, int64 or uint8, little-endian");
  }

  bool fortran_order() const {
    std::string_view rest = after("'fortran_order':");
    if (take(rest, "False")) return false;
    if (take(rest, "True")) return true;
    corrupt(subject_, "does not say its fortran_order");
  }

  Shape shape() const {
    std::string_view rest = after("'shape':");
    if (!take(rest, "(")) corrupt(subject_, "has no shape");
    std::vector<int64_t> sizes;
    uint64_t bound = 1;
    while (!take(rest, ")")) {
      uint64_t size = 0;
      const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), size);
      if (error != std::errc() || size > kMaxContentBytes / bound || sizes.size() == kMostAxes) {
        corrupt(subject_, "has a shape that is no list of at most " + std::to_string(kMostAxes) +
                              " sizes, or a product of sizes beyond 2^32");
      }
      bound *= std::max<uint64_t>(size, 1);
      sizes.push_back(static_cast<int64_t>(size));
      rest.remove_prefix(static_cast<size_t>(end - rest.data()));
      if (!take(rest, ",") && !rest.starts_with(")")) corrupt(subject_, "has a broken shape");
    }
    return Shape(std::span<const int64_t>(sizes));
  }

 private:
  static constexpr size_t kMostAxes = 6;

  std::string_view after(std::string_view key) const {
    const size_t at = text_.find(key);
    if (at == std::string_view::npos) corrupt(subject_, "has no " + std::string(key));
    std::string_view rest = text_.substr(at + key.size());
    take(rest, "");
    return rest;
  }

  /// Takes `token` and the spaces around it away if the text begins so.
  static bool take(std::string_view& rest, std::string_view token) {
    if (!rest.starts_with(token)) return false;
    rest.remove_prefix(token.size());
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    return true;
  }

  std::string_view text_, subject_;
};

}  // namespace

Tensor parse_npy(std::span<const uint8_t> bytes, std::string_view subject) {
  if (bytes.size() < kMagic.size() + 4 ||
      std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    corrupt(subject, "is no array of NumPy");
  }
  const unsigned version = bytes[kMagic.size()];
  const size_t width = version == 1 ? 2 : 4;  // of the number that says how long the header is
  const size_t start = kMagic.size() + 2 + width;
  if (version < 1 || version > 3 || bytes.size() < start) {
    corrupt(subject, "is of version " + std::to_string(version) + " of the npy format");
  }
  size_t length = 0;
  for (size_t i = width; i-- > 0;) length = length << 8 | bytes[kMagic.size() + 2 + i];
  if (length > kMostHeader || length > bytes.size() - start) {
    corrupt(subject, "has a header of " + std::to_string(length) + " bytes");
  }
  const Header header({reinterpret_cast<const char*>(bytes.data()) + start, length}, subject);
  const Shape shape = header.shape();
  const DType dtype = header.dtype();
  if (header.fortran_order() && shape.rank() > 1) {
    fail(ErrorCode::file_unknown, subject, "lies in Fortran order",
         "save numpy.ascontiguousarray of it");
  }
  const uint64_t needed = static_cast<uint64_t>(shape.numel()) * size_of(dtype);
  const uint64_t found = bytes.size() - start - length;
  if (found < needed) {
    fail(ErrorCode::file_truncated, subject,
         "has " + std::to_string(found) + " bytes of data, its shape needs " +
             std::to_string(needed),
         "copy the file again");
  }
  if (found > needed) corrupt(subject, "goes on after its array");
  const Tensor tensor = Tensor::empty(shape, dtype);
  if (needed > 0) std::memcpy(tensor.raw(), bytes.data() + start + length, needed);
  return tensor;
}

std::string npy_header(const Shape& shape, DType dtype) {
  const auto* type = std::ranges::find(kTypes, dtype, &ElementType::dtype);
  ITO_CHECK(type != std::end(kTypes), DTypeError, "NumPy has no such element type",
            kv("dtype", to_string(dtype)));
  std::string text =
      "{'descr': '" + std::string(type->descr) + "', 'fortran_order': False, 'shape': (";
  for (const int64_t size : shape.sizes()) text += std::to_string(size) + ",";
  text += "), }";
  const size_t prefix = kMagic.size() + 4;
  text.append((kAlignment - (prefix + text.size() + 1) % kAlignment) % kAlignment, ' ');
  text += '\n';
  std::string header(kMagic);
  header += {'\1', '\0', static_cast<char>(text.size() & 255), static_cast<char>(text.size() >> 8)};
  return header + text;
}

std::vector<uint8_t> npy_bytes(const Tensor& tensor) {
  const Tensor host = tensor.to(kCpu);
  const std::string header = npy_header(host.shape(), host.dtype());
  Bytes bytes(header.begin(), header.end());
  const auto* data = static_cast<const uint8_t*>(host.raw());
  if (data != nullptr) bytes.insert(bytes.end(), data, data + host.bytes());
  return bytes;
}

NpzFile::NpzFile(std::filesystem::path file)
    : zip_(std::make_unique<ZipFile>(std::move(file), kFix)) {}

NpzFile::~NpzFile() = default;

const std::filesystem::path& NpzFile::path() const { return zip_->path(); }

bool NpzFile::contains(const std::string& name) const {
  return zip_->find(name + ".npy").has_value();
}

Tensor NpzFile::read(const std::string& name) const {
  const auto entry = zip_->find(name + ".npy");
  if (!entry) {
    fail(ErrorCode::file_mismatch, path().string(), "has no array " + name,
         "write it with numpy.savez(file, " + name + "=...)");
  }
  return parse_npy(zip_->read(*entry, kMaxContentBytes), zip_->subject(*entry));
}

namespace {

/// An archive in memory that is being written.
class ZipWriter {
 public:
  ZipWriter() {
    zip_error_t error;
    zip_error_init(&error);
    source_ = zip_source_buffer_create(nullptr, 0, 0, &error);
    check(source_ != nullptr);
    zip_source_keep(source_);  // outlives the archive that is made of it
    zip_ = zip_open_from_source(source_, ZIP_TRUNCATE, &error);
    check(zip_ != nullptr);
    zip_error_fini(&error);
  }
  ~ZipWriter() {
    if (zip_ != nullptr) zip_discard(zip_);
    if (source_ != nullptr) zip_source_free(source_);
  }
  ZipWriter(const ZipWriter&) = delete;
  ZipWriter& operator=(const ZipWriter&) = delete;

  /// `bytes` must live until finish().
  void add(const std::string& name, const Bytes& bytes, Packing packing) {
    zip_source_t* content = zip_source_buffer(zip_, bytes.data(), bytes.size(), 0);
    check(content != nullptr);
    const zip_int64_t index = zip_file_add(zip_, name.c_str(), content, ZIP_FL_ENC_UTF_8);
    check(index >= 0);
    const auto at = static_cast<zip_uint64_t>(index);
    const zip_int32_t method = packing == Packing::stored ? ZIP_CM_STORE : ZIP_CM_DEFLATE;
    check(zip_set_file_compression(zip_, at, method, 0) == 0);
    constexpr zip_uint16_t kFirstDay = 1 << 5 | 1;  // 1 January 1980, as numpy writes
    check(zip_file_set_dostime(zip_, at, 0, kFirstDay, 0) == 0);
  }

  Bytes finish() {
    check(zip_close(zip_) == 0);
    zip_ = nullptr;
    zip_stat_t about;
    zip_stat_init(&about);
    check(zip_source_stat(source_, &about) == 0 && zip_source_open(source_) == 0);
    Bytes bytes(about.size);
    const bool whole =
        zip_source_read(source_, bytes.data(), bytes.size()) == zip_int64_t(bytes.size());
    zip_source_close(source_);
    check(whole);
    return bytes;
  }

 private:
  static void check(bool good) {
    ITO_CHECK(good, InternalError, "libzip writes an archive in memory");
  }

  zip_source_t* source_ = nullptr;
  zip_t* zip_ = nullptr;
};

}  // namespace

void write_npz(const std::filesystem::path& file,
               const std::vector<std::pair<std::string, Tensor>>& arrays, Packing packing) {
  std::vector<Bytes> contents;
  for (const auto& [name, tensor] : arrays) contents.push_back(npy_bytes(tensor));
  ZipWriter writer;
  for (size_t i = 0; i < arrays.size(); ++i) {
    writer.add(arrays[i].first + ".npy", contents[i], packing);
  }
  write_file_atomically(file, writer.finish());
}

}  // namespace ito::data
