// Folders of diffusers against what diffusers computes. The records hold shapes and outputs
// (record_diffusers.py); weights and images follow from names, so that no PyTorch is needed here.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/io/safetensors.h"
#include "kernels/permute/op.h"
#include "models/load.h"
#include "models/make.h"
#include "tests/import/support.h"
#include "tools/import/diffusers.h"

namespace ito::tools {
namespace {

using Json = nlohmann::json;
using test::expect_failure;
namespace fs = std::filesystem;

/// The rule of diffusers_values.py.
Tensor values_of(const std::string& name, const Shape& shape) {
  uint32_t seed = 0x811C9DC5;
  for (const char c : name) seed = (seed ^ static_cast<uint8_t>(c)) * 0x01000193;
  std::vector<float> list;
  for (int64_t i = 0; i < shape.numel(); ++i) {
    uint64_t z = (uint64_t{seed} << 32) + static_cast<uint64_t>(i);
    z *= 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    double u = static_cast<double>((z ^ (z >> 31)) >> 40) / (1 << 23) - 1;
    if (shape.rank() > 1) {
      u *= std::sqrt(3.0 * static_cast<double>(shape[0]) / static_cast<double>(shape.numel()));
    } else if (name.find("norm") != std::string::npos && name.ends_with(".weight")) {
      u = 1 + 0.2 * u;
    } else if (name != "time_proj.weight") {
      u *= 0.1;
    }
    list.push_back(static_cast<float>(u));
  }
  return Tensor::from(list, shape);
}

Tensor image(int64_t size) {
  const Shape shape{2, 3, size, size};
  std::vector<float> pixels = values_of("x", shape).to_vector<float>();
  for (float& pixel : pixels) pixel *= 3;
  return Tensor::from(pixels, shape);
}

using Tensors = std::vector<std::pair<std::string, Tensor>>;

class Diffusers : public test::TempFolder {
 protected:
  /// Writes the folder of a record: the network into `sub`.
  void write_folder(const std::string& name, const std::string& sub = "") {
    record_ = Json::parse(test::contents(fs::path(ITO_RECORDS) / (name + ".json")));
    tensors_.clear();
    for (const auto& [key, sizes] : record_.at("shapes").items()) {
      const auto list = sizes.get<std::vector<int64_t>>();
      tensors_.emplace_back(key, values_of(key, Shape(std::span<const int64_t>(list))));
    }
    sub_ = sub;
    fs::create_directories(folder() / sub_);
    test::write(folder() / "scheduler_config.json", record_.at("scheduler").dump());
    write_parts();
  }
  void write_parts() {
    test::write(folder() / sub_ / "config.json", record_.at("config").dump());
    write_safetensors(folder() / sub_ / "diffusion_pytorch_model.safetensors", tensors_);
  }
  Tensor& tensor(const std::string& name) {
    for (auto& [key, value] : tensors_) {
      if (key == name) return value;
    }
    throw InternalError("no tensor " + name);
  }

  /// Relative L2 distance to the recorded output.
  double error_of(const fs::path& where) {
    const DiffusersFolder source(where);
    const nn::NetworkConfig config = nn::network_config(source.model(), "model");
    const auto network = nn::make_network(config.model, config.image, 1);
    EXPECT_EQ(source.load(*network), std::ssize(nn::parameters_of(*network)));
    const int64_t size = config.image.image_size;
    const Tensor x = ops::permute(image(size), {0, 2, 3, 1});
    const auto labels = record_.at("labels").get<std::vector<float>>();
    const Tensor y = network->forward(x, Tensor::from(labels, {2}));
    const auto ours = ops::permute(y, {0, 3, 1, 2}).to_vector<float>();
    const auto theirs = record_.at("output").get<std::vector<double>>();
    EXPECT_EQ(ours.size(), theirs.size());
    double difference = 0, square = 0;
    for (size_t i = 0; i < theirs.size(); ++i) {
      difference += std::pow(ours[i] - theirs[i], 2);
      square += theirs[i] * theirs[i];
    }
    const double error = std::sqrt(difference / square);
    std::printf("relative error %.2g\n", error);
    return error;
  }

  void refused(ErrorCode code, std::initializer_list<std::string_view> fragments) {
    expect_failure(code, fragments, [&] { error_of(folder()); });
  }

  Json record_;
  Tensors tensors_;
  std::string sub_;
};

// fp32 against fp32: rounding alone. The reference's own NCSN++ in fp32 is 4e-6 from fp64.
constexpr double kLimit = 1e-5;

TEST_F(Diffusers, OutputOfDdpm) {
  for (const char* name : {"ddpm", "ddpm_flipped", "ddpm_attention"}) {
    SCOPED_TRACE(name);
    write_folder(name);
    EXPECT_LT(error_of(folder()), kLimit);
  }
}

TEST_F(Diffusers, OutputOfNcsnpp) {
  for (const char* name : {"ncsnpp", "ncsnpp_centred"}) {
    SCOPED_TRACE(name);
    write_folder(name, "unet");
    EXPECT_LT(error_of(folder()), kLimit);
  }
}

TEST_F(Diffusers, OlderNamesAndConvolutions) {
  write_folder("ncsnpp");
  for (auto& [name, value] : tensors_) {
    for (const auto& [now, before] :
         {std::pair{".to_q.", ".query."}, std::pair{".to_k.", ".key."},
          std::pair{".to_v.", ".value."}, std::pair{".to_out.0.", ".proj_attn."}}) {
      const size_t at = name.find(now);
      if (at == std::string::npos) continue;
      name.replace(at, std::strlen(now), before);
      if (value.shape().rank() != 2) continue;
      value = Tensor::from(value.to_vector<float>(), {value.size(0), value.size(1), 1, 1});
    }
  }
  tensors_.emplace_back("time_proj.W", tensor("time_proj.weight"));
  write_parts();
  const DiffusersFolder source(folder());
  EXPECT_EQ(source.sde()->at("sde.sigma_max"), SettingValue(380.0));
  EXPECT_LT(error_of(folder()), kLimit);
}

TEST_F(Diffusers, FilesOfPyTorch) {
  const fs::path files = ITO_IMPORT_FILES;
  if (!fs::exists(files / "diffusers_ncsnpp")) GTEST_SKIP() << "python3-torch is not installed";
  for (const char* name : {"ddpm", "ncsnpp"}) {
    write_folder(name);
    EXPECT_LT(error_of(files / ("diffusers_" + std::string(name))), kLimit);
  }
}

TEST_F(Diffusers, TensorsThatDoNotFit) {
  using enum ErrorCode;
  write_folder("ddpm");
  const Tensors good = tensors_;
  const Json config = record_.at("config");
  tensors_.pop_back();
  write_parts();
  refused(file_mismatch, {"has no tensor ", "(1 missing)"});
  tensors_ = good;
  tensors_.emplace_back("z", Tensor::zeros({1}, DType::f32));
  write_parts();
  refused(file_mismatch, {"does not know, z (1 unknown)"});
  tensors_ = good;
  tensor("conv_in.bias") = Tensor::zeros({31}, DType::f32);
  tensor("conv_in.weight") = Tensor::zeros({32, 3, 1, 1}, DType::f32);
  write_parts();
  refused(file_mismatch, {"conv_in.", " has shape ", "(2 of another shape)"});
  // Claims that the file does not keep: no network is made.
  tensors_ = good;
  record_["config"]["block_out_channels"] = {32, 65536};
  write_parts();
  refused(file_mismatch, {"down_blocks.1.resnets.0.conv2.weight has shape [64,64,3,3]"});
  record_["config"] = config;
  record_["config"]["layers_per_block"] = 64;
  write_parts();
  refused(file_mismatch, {"has no tensor down_blocks.0.resnets.1.conv2.weight"});
}

TEST_F(Diffusers, FoldersThatLackParts) {
  using enum ErrorCode;
  refused(file_missing, {"has no config.json"});
  write_folder("ddpm");
  EXPECT_EQ(DiffusersFolder(folder()).sde()->at("sde.beta_max"), SettingValue(20.0));
  fs::remove(folder() / "scheduler_config.json");
  EXPECT_FALSE(DiffusersFolder(folder()).sde().has_value());
  fs::resize_file(folder() / "diffusion_pytorch_model.safetensors", 5000);
  EXPECT_THROW(error_of(folder()), UserError);
  fs::remove(folder() / "diffusion_pytorch_model.safetensors");
  refused(file_missing, {"has no diffusion_pytorch_model.safetensors"});
  test::write(folder() / "diffusion_pytorch_model.bin", "not a pickle");
  refused(file_unknown, {"neither a zip archive nor a pickle"});
}

// Every parameter of a network has a name of its own in the other world.
TEST(DiffusersName, IsUnique) {
  nn::ModelConfig model;
  model.nf = 32;
  model.fir = true;
  model.progressive = "output_skip";
  model.progressive_input = "input_skip";
  model.embedding_type = "fourier";
  const auto network = nn::make_network(model, {}, 1);
  std::set<std::string> names;
  for (const nn::Parameter& p : nn::parameters_of(*network)) {
    EXPECT_TRUE(names.insert(diffusers_name(p.name, 4)).second) << p.name;
  }
}

}  // namespace
}  // namespace ito::tools
