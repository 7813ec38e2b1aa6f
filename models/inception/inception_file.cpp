#include "models/inception/inception_file.h"

#include <charconv>

#include "models/load.h"

namespace ito::nn {
namespace {

constexpr const char* kKind = "inception_2015_12_05";

/// A number of the file's metadata.
int number_of(const SafetensorsFile& tensors, const std::string& key,
              const std::filesystem::path& file) {
  const auto found = tensors.metadata.find(key);
  int value = 0;
  if (found != tensors.metadata.end()) {
    const std::string& text = found->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) return value;
  }
  fail(ErrorCode::file_corrupt, file.string(), "has no number " + key,
       "convert the network again: ito convert --inception");
}

}  // namespace

std::unique_ptr<Inception> load_inception(const std::filesystem::path& file, Device device) {
  const SafetensorsFile tensors = read_safetensors(file);
  const auto kind = tensors.metadata.find("kind");
  if (kind == tensors.metadata.end() || kind->second != kKind) {
    fail(ErrorCode::file_mismatch, file.string(), "is no Inception network of ours",
         "convert pt_inception-2015-12-05-6726825d.pth: ito convert --inception");
  }
  const InceptionConfig config{.divisor = number_of(tensors, "divisor", file),
                               .classes = number_of(tensors, "classes", file)};
  std::unique_ptr<Inception> network;
  try {
    network = std::make_unique<Inception>(config);
  } catch (const ValueError& e) {
    fail(ErrorCode::file_corrupt, file.string(), e.what(), "convert the network again");
  }
  load_parameters(*network, tensors, file);
  move_to(*network, device);
  return network;
}

void save_inception(const std::filesystem::path& file, Inception& network) {
  write_safetensors(file, named_parameters(network),
                    {{"format", "ito"},
                     {"kind", kKind},
                     {"divisor", std::to_string(network.config().divisor)},
                     {"classes", std::to_string(network.config().classes)}});
}

}  // namespace ito::nn
