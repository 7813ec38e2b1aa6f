#include "tools/import/torch_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <optional>

#include "tools/import/archive.h"

namespace ito::tools {
namespace {

using Kind = Value::Kind;

struct StorageType {
  std::string_view name;
  uint64_t element_size;
  std::optional<DType> dtype;  ///< none: a type that we do not have
};
constexpr StorageType kTypes[] = {
    {"torch.FloatStorage", 4, DType::f32}, {"torch.DoubleStorage", 8, DType::f64},
    {"torch.HalfStorage", 2, {}},          {"torch.BFloat16Storage", 2, DType::bf16},
    {"torch.LongStorage", 8, DType::i64},  {"torch.IntStorage", 4, DType::i32},
    {"torch.ByteStorage", 1, DType::u8},   {"torch.ShortStorage", 2, {}},
    {"torch.CharStorage", 1, {}},          {"torch.BoolStorage", 1, {}},
};

const StorageType* type_of(std::string_view name) {
  const auto* found = std::ranges::find(kTypes, name, &StorageType::name);
  return found == std::end(kTypes) ? nullptr : found;
}

/// Two elements of such a view never lie in one place if each stride steps over everything that the
/// axes with smaller strides reach.
bool overlaps(const Shape& shape, const std::vector<int64_t>& strides) {
  std::vector<std::pair<int64_t, int64_t>> axes;  // stride, size
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] > 1) axes.emplace_back(strides[static_cast<size_t>(i)], shape[i]);
  }
  std::ranges::sort(axes);
  int64_t reach = 0;
  for (const auto& [stride, size] : axes) {
    if (stride <= reach) return true;
    reach += (size - 1) * stride;
  }
  return false;
}

/// Copies a strided view of `from` to consecutive elements of E.
template <class E>
void gather(const uint8_t* from, const Shape& shape, const std::vector<int64_t>& strides, E* to) {
  std::array<int64_t, Shape::kMaxRank> index{};
  int64_t at = 0;
  for (int64_t n = 0; n < shape.numel(); ++n) {
    std::memcpy(to + n, from + at * static_cast<int64_t>(sizeof(E)), sizeof(E));
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      const auto a = static_cast<size_t>(axis);
      at += strides[a];
      if (++index[a] < shape[axis]) break;
      at -= index[a] * strides[a];
      index[a] = 0;
    }
  }
}

}  // namespace

void corrupt_file(const std::filesystem::path& file, const std::string& fact) {
  fail(ErrorCode::file_corrupt, file.string(), fact, "write or copy the file again");
}

void truncated_file(const std::filesystem::path& file, const std::string& fact) {
  fail(ErrorCode::file_truncated, file.string(), fact, "write or copy the file again");
}

StorageInfo storage_info(const Pickle& pickle, const Value& value,
                         const std::filesystem::path& file) {
  const auto item = [&](size_t i, Kind kind) -> const Value& {
    if (value.kind != Kind::persistent || i >= value.items.size() ||
        pickle.at(value.items[i]).kind != kind) {
      corrupt_file(file, "has a storage that is not described");
    }
    return pickle.at(value.items[i]);
  };
  StorageInfo info{.type = item(1, Kind::global).text, .key = item(2, Kind::text).text};
  const StorageType* type = type_of(info.type);
  const int64_t elements = item(4, Kind::integer).integer;
  const bool view = value.items.size() > 5 && pickle.at(value.items[5]).kind != Kind::none;
  if (item(0, Kind::text).text != "storage" || type == nullptr || elements < 0 || view) {
    corrupt_file(file, "has a storage of an unknown kind");
  }
  // Beyond this, the size in bytes would overflow.
  if (elements > INT64_MAX / 8) corrupt_file(file, "promises a storage larger than any file");
  info.elements = static_cast<uint64_t>(elements);
  info.element_size = type->element_size;
  return info;
}

/// How a tensor lies in its storage, in elements.
struct TorchFile::View {
  StorageInfo storage;
  Shape shape;
  std::vector<int64_t> strides;
  int64_t offset = 0;
};

TorchFile::TorchFile(const std::filesystem::path& file) : path_(file) {
  std::ifstream in(file, std::ios::binary);
  std::error_code error;
  if (!in || std::filesystem::is_directory(file, error)) {
    fail(ErrorCode::file_missing, file.string(), "cannot be opened", "check the path");
  }
  char first[2] = {};
  in.read(first, 2);
  const std::string_view mark(first, static_cast<size_t>(in.gcount()));
  if (mark == "PK") {
    archive_ = open_zip_archive(file);
  } else if (mark == "\x80\x02") {
    archive_ = open_stream_archive(file);
  } else {
    fail(ErrorCode::file_unknown, file.string(), "is neither a zip archive nor a pickle",
         "use a checkpoint written by torch.save");
  }
  pickle_ = archive_->object();
}

TorchFile::~TorchFile() = default;

const Value* TorchFile::find(const Value& dict, std::string_view key) const {
  if (dict.kind != Kind::dict) return nullptr;
  for (size_t i = dict.items.size(); i > 0; i -= 2) {
    const Value& name = at(dict.items[i - 2]);
    if (name.kind == Kind::text && name.text == key) return &at(dict.items[i - 1]);
  }
  return nullptr;
}

TorchFile::View TorchFile::view(const Value& tensor, std::string_view name) const {
  const auto refuse = [&](const char* what) {
    corrupt_file(path_, "tensor " + std::string(name) + " " + what);
  };
  if (tensor.kind != Kind::tensor) refuse("is no tensor");
  const Value &offset = at(tensor.items[1]), &sizes = at(tensor.items[2]),
              &strides = at(tensor.items[3]);
  if (offset.kind != Kind::integer || sizes.kind != Kind::tuple || strides.kind != Kind::tuple ||
      sizes.items.size() != strides.items.size() || sizes.items.size() > Shape::kMaxRank) {
    refuse("has no offset, sizes and strides, or more than six axes");
  }
  const auto integers = [&](const Value& tuple) {
    std::vector<int64_t> list;
    for (const ValueId id : tuple.items) {
      if (at(id).kind != Kind::integer || at(id).integer < 0) refuse("has a bad size or stride");
      list.push_back(at(id).integer);
    }
    return list;
  };
  View v{storage_info(pickle_, at(tensor.items[0]), path_), {}, integers(strides), offset.integer};
  try {
    v.shape = Shape(std::span<const int64_t>(integers(sizes)));
  } catch (const ShapeError&) {
    refuse("has a size that is too large");
  }
  const auto room = static_cast<int64_t>(v.storage.elements);
  int64_t last = v.offset;
  bool fits = v.offset >= 0 && v.offset <= room;
  for (int i = 0; i < v.shape.rank() && fits && v.shape.numel() > 0; ++i) {
    int64_t reach = 0;
    fits = !__builtin_mul_overflow(v.shape[i] - 1, v.strides[static_cast<size_t>(i)], &reach) &&
           !__builtin_add_overflow(last, reach, &last);
  }
  if (!fits || (v.shape.numel() > 0 && last >= room)) refuse("reaches beyond its storage");
  if (v.shape.numel() > 0 && overlaps(v.shape, v.strides)) {
    refuse("has several elements in one place");
  }
  return v;
}

Shape TorchFile::shape(const Value& tensor, std::string_view name) const {
  return view(tensor, name).shape;
}

DType TorchFile::dtype(const Value& tensor, std::string_view name) const {
  const std::string type = view(tensor, name).storage.type;
  const std::optional<DType> dtype = type_of(type)->dtype;
  if (dtype) return *dtype;
  fail(ErrorCode::file_unknown, path_.string(),
       "tensor " + std::string(name) + " has elements of " + type,
       "convert it to float32 before saving");
}

Tensor TorchFile::read(const Value& tensor, std::string_view name) const {
  const View v = view(tensor, name);
  const DType type = dtype(tensor, name);
  const std::vector<uint8_t> bytes =
      archive_->storage(v.storage.key, v.storage.elements * v.storage.element_size);
  Tensor out = Tensor::empty(v.shape, type);
  if (v.shape.numel() == 0) return out;
  const uint8_t* from = bytes.data() + static_cast<size_t>(v.offset) * size_of(type);
  dispatch_any(type, [&]<class E>() { gather(from, v.shape, v.strides, out.data<E>()); });
  return out;
}

}  // namespace ito::tools
