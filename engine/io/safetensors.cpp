#include "engine/io/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/io/atomic_file.h"

namespace ito {
namespace {

using Json = nlohmann::ordered_json;
static_assert(std::endian::native == std::endian::little, "data is written as it lies in memory");

constexpr uint64_t kHeaderLimit = 100'000'000;  // as in the format's description

constexpr std::pair<std::string_view, DType> kTypes[] = {{"F32", DType::f32}, {"BF16", DType::bf16},
                                                         {"F64", DType::f64}, {"I32", DType::i32},
                                                         {"I64", DType::i64}, {"U8", DType::u8}};

std::string type_name(DType dtype) {
  for (const auto& [name, t] : kTypes) {
    if (t == dtype) return std::string(name);
  }
  throw InternalError("a dtype without a safetensors name");
}

[[noreturn]] void corrupt(const std::filesystem::path& file, const std::string& fact) {
  fail(ErrorCode::file_corrupt, file.string(), fact, "write or copy the file again");
}

/// Where a tensor lies in the data.
struct Entry {
  std::string name;
  DType dtype;
  Shape shape;
  uint64_t begin, end;
};

std::vector<char> read_header(std::ifstream& in, const std::filesystem::path& file, uint64_t size) {
  uint64_t length = 0;
  if (size < 8 || !in.read(reinterpret_cast<char*>(&length), 8)) {
    fail(ErrorCode::file_truncated, file.string(),
         "has " + std::to_string(size) + " bytes, a safetensors file has at least 8",
         "write or copy the file again");
  }
  if (length > kHeaderLimit)
    corrupt(file, "promises a header of " + std::to_string(length) + " bytes");
  if (length > size - 8) {
    fail(ErrorCode::file_truncated, file.string(),
         "ends inside its header (" + std::to_string(size) + " bytes, header needs " +
             std::to_string(length + 8) + ")",
         "write or copy the file again");
  }
  std::vector<char> header(length);
  if (!in.read(header.data(), static_cast<std::streamsize>(length)))
    corrupt(file, "cannot be read");
  return header;
}

Json parse_header(const std::vector<char>& header, const std::filesystem::path& file) {
  std::set<std::string> names;
  bool repeated = false;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth == 1 && event == Json::parse_event_t::key) {
      repeated |= !names.insert(value.get<std::string>()).second;
    }
    return depth <= 8;
  };
  const Json json = Json::parse(header.begin(), header.end(), watch, false);
  if (json.is_discarded() || !json.is_object()) corrupt(file, "its header is not a JSON object");
  if (repeated) corrupt(file, "its header names a tensor twice");
  return json;
}

Entry parse_entry(const std::string& name, const Json& value, const std::filesystem::path& file) {
  const auto bad = [&](const std::string& what) { corrupt(file, "tensor " + name + " " + what); };
  if (!value.is_object() || !value.contains("dtype") || !value["dtype"].is_string() ||
      !value.contains("shape") || !value["shape"].is_array() || !value.contains("data_offsets") ||
      !value["data_offsets"].is_array() || value["data_offsets"].size() != 2) {
    bad("lacks dtype, shape or data_offsets");
  }
  Entry entry{name, DType::f32, {}, 0, 0};
  const auto type = value["dtype"].get<std::string>();
  const auto found = std::ranges::find(kTypes, type, &std::pair<std::string_view, DType>::first);
  if (found == std::end(kTypes)) {
    fail(ErrorCode::file_unknown, file.string(), "tensor " + name + " has element type " + type,
         "convert it to F32, BF16, F64, I32, I64 or U8");
  }
  entry.dtype = found->second;
  std::vector<int64_t> sizes;
  for (const Json& size : value["shape"]) {
    if (!size.is_number_unsigned() || size.get<uint64_t>() > (uint64_t{1} << 60))
      bad("has a bad size");
    sizes.push_back(size.get<int64_t>());
  }
  try {
    entry.shape = Shape(std::span<const int64_t>(sizes));
  } catch (const ShapeError& e) {
    bad(std::string("has a bad shape: ") + e.what());
  }
  for (const Json& offset : value["data_offsets"]) {
    if (!offset.is_number_unsigned()) bad("has a bad offset");
  }
  entry.begin = value["data_offsets"][0].get<uint64_t>();
  entry.end = value["data_offsets"][1].get<uint64_t>();
  const uint64_t need = static_cast<uint64_t>(entry.shape.numel()) * size_of(entry.dtype);
  if (entry.end < entry.begin || entry.end - entry.begin != need) {
    bad("has " + std::to_string(entry.end - entry.begin) + " bytes of data, its shape " +
        to_string(entry.shape) + " needs " + std::to_string(need));
  }
  return entry;
}

void check_ranges(std::vector<Entry>& entries, uint64_t data_size,
                  const std::filesystem::path& file) {
  std::ranges::stable_sort(entries, {}, &Entry::begin);
  uint64_t last = 0;
  for (const Entry& e : entries) {
    if (e.begin < last) corrupt(file, "the data of tensor " + e.name + " overlaps another's");
    if (e.end > data_size) {
      fail(ErrorCode::file_truncated, file.string(),
           "ends inside tensor " + e.name + " (" + std::to_string(data_size) + " bytes of data, " +
               std::to_string(e.end) + " needed)",
           "write or copy the file again");
    }
    last = e.end;
  }
}

}  // namespace

bool SafetensorsFile::contains(const std::string& name) const {
  return std::ranges::any_of(tensors, [&](const auto& t) { return t.first == name; });
}

const Tensor& SafetensorsFile::at(const std::string& name,
                                  const std::filesystem::path& file) const {
  for (const auto& [key, tensor] : tensors) {
    if (key == name) return tensor;
  }
  fail(ErrorCode::file_mismatch, file.string(), "has no tensor " + name,
       "use a file written for this network");
}

SafetensorsFile read_safetensors(const std::filesystem::path& file) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(file, error);
  std::ifstream in(file, std::ios::binary);
  if (error || !in) {
    fail(ErrorCode::file_missing, file.string(), "cannot be opened", "check the path");
  }
  const std::vector<char> header = read_header(in, file, size);
  const Json json = parse_header(header, file);
  SafetensorsFile result;
  std::vector<Entry> entries;
  for (const auto& [name, value] : json.items()) {
    if (name != "__metadata__") {
      entries.push_back(parse_entry(name, value, file));
      continue;
    }
    if (!value.is_object()) corrupt(file, "__metadata__ is not an object");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) corrupt(file, "metadata " + key + " is not text");
      result.metadata[key] = text.get<std::string>();
    }
  }
  const uint64_t data_start = 8 + header.size();
  check_ranges(entries, size - data_start, file);
  for (const Entry& e : entries) {
    Tensor tensor = Tensor::empty(e.shape, e.dtype);
    in.seekg(static_cast<std::streamoff>(data_start + e.begin));
    if (tensor.bytes() > 0 &&
        !in.read(static_cast<char*>(tensor.raw()), static_cast<std::streamsize>(tensor.bytes()))) {
      corrupt(file, "cannot be read at tensor " + e.name);
    }
    result.tensors.emplace_back(e.name, std::move(tensor));
  }
  return result;
}

void write_safetensors(const std::filesystem::path& file,
                       const std::vector<std::pair<std::string, Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  Json json = Json::object();
  if (!metadata.empty()) json["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    json[name] = {{"dtype", type_name(tensor.dtype())},
                  {"shape", tensor.shape().sizes()},
                  {"data_offsets", {offset, offset + tensor.bytes()}}};
    offset += tensor.bytes();
  }
  std::string header = json.dump();
  header.append((64 - (header.size() + 8) % 64) % 64, ' ');
  std::vector<uint8_t> bytes(8 + header.size() + offset);
  const uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  std::memcpy(bytes.data() + 8, header.data(), header.size());
  uint8_t* at = bytes.data() + 8 + header.size();
  for (const auto& [name, tensor] : tensors) {
    const Tensor host = tensor.to(kCpu);
    if (host.bytes() > 0) std::memcpy(at, host.raw(), host.bytes());
    at += host.bytes();
  }
  write_file_atomically(file, bytes);
}

}  // namespace ito
