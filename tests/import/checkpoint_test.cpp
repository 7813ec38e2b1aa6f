// Checkpoints written by PyTorch (write_torch_files.py) as weights of our networks.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "kernels/cast/op.h"
#include "kernels/permute/op.h"
#include "models/load.h"
#include "models/make.h"
#include "tests/import/support.h"
#include "tools/golden/case.h"
#include "tools/import/checkpoint.h"
#include "tools/import/torch_file.h"

namespace ito::tools {
namespace {

using test::expect_failure;
namespace fs = std::filesystem;

const fs::path kFolder = ITO_IMPORT_FILES;

const std::string kNetworks[] = {"ncsnpp", "ddpmpp", "ddpm", "skips", "ncsnv2"};

nn::ModelConfig tiny(const std::string& name) {
  nn::ModelConfig m;
  m.nf = 8;
  m.ch_mult = {1, 2};
  m.num_res_blocks = 1;
  m.attn_resolutions = {4};
  if (name == "ncsnpp") {
    m.fir = true;
    m.progressive_input = "residual";
    m.embedding_type = "fourier";
  } else if (name == "ddpm") {
    m.name = "ddpm";
    m.nf = 32;
  } else if (name == "skips") {
    m.num_res_blocks = 2;
    m.progressive = "output_skip";
    m.progressive_input = "input_skip";
    m.progressive_combine = "cat";
    m.embedding_type = "fourier";
  } else if (name == "ncsnv2") {
    m.name = "ncsnv2_64";
  }
  return m;
}

std::unique_ptr<nn::Network> network(const nn::ModelConfig& model) {
  nn::ImageConfig image;
  image.image_size = 8;
  return nn::make_network(model, image, 1);
}

CheckpointInfo load(const nn::ModelConfig& model, const fs::path& file,
                    CheckpointWeights weights = CheckpointWeights::ema) {
  return load_checkpoint(*network(model), file, weights);
}

class Checkpoint : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kFolder / "other.pth")) GTEST_SKIP() << "python3-torch is not installed";
  }

  /// Every parameter against what the script says, bit by bit.
  void expect_weights(const std::string& name, const std::string& file, CheckpointWeights weights) {
    const fs::path expected_path = kFolder / (name + ".safetensors");
    const SafetensorsFile expected = read_safetensors(expected_path);
    const auto net = network(tiny(name));
    const CheckpointInfo info = load_checkpoint(*net, kFolder / file, weights);
    const auto parameters = nn::parameters_of(*net);
    EXPECT_EQ(info.step, 7);
    EXPECT_EQ(info.tensors, std::ssize(parameters));
    EXPECT_EQ(parameters.size() * 2, expected.tensors.size());
    ASSERT_EQ(info.sigmas.size(), 10u);
    EXPECT_NEAR(info.sigmas.front(), 50, 1e-12);
    const std::string prefix = weights == CheckpointWeights::ema ? "ema." : "model.";
    for (const nn::Parameter& p : parameters) {
      const Tensor theirs = nn::to_reference(*p.value, p.layout);
      const Tensor& wanted = expected.at(prefix + p.reference_name, expected_path);
      ASSERT_EQ(theirs.shape(), wanted.shape()) << p.reference_name;
      EXPECT_EQ(std::memcmp(theirs.raw(), wanted.raw(), wanted.bytes()), 0) << p.reference_name;
    }
  }
};

TEST_F(Checkpoint, EveryParameterBitByBit) {
  for (const std::string& name : kNetworks) {
    for (const std::string layout : {".pth", ".stream.pth"}) {
      SCOPED_TRACE(name + layout);
      expect_weights(name, name + layout, CheckpointWeights::ema);
      expect_weights(name, name + layout, CheckpointWeights::model);
    }
  }
}

// The averages are found by the order of `model` in the file; for these networks it is also the
// order in which ours lists its parameters.
TEST_F(Checkpoint, OrderOfRegistrationIsOurs) {
  for (const std::string name : {"ncsnpp", "ddpmpp", "ddpm", "skips"}) {
    SCOPED_TRACE(name);
    const TorchFile file(kFolder / (name + ".stream.pth"));
    const Value* model = file.find(file.root(), "model");
    ASSERT_NE(model, nullptr);
    size_t at = 2;  // the first entry is the table of noise levels
    for (const nn::Parameter& p : nn::parameters_of(*network(tiny(name)))) {
      ASSERT_LT(at, model->items.size());
      EXPECT_EQ(file.at(model->items[at]).text, p.reference_name);
      at += 2;
    }
    EXPECT_EQ(at, model->items.size());
  }
}

TEST_F(Checkpoint, WhatDoesNotFit) {
  using enum ErrorCode;
  const nn::ModelConfig model = tiny("ddpmpp");
  const std::string last = "all_modules.17.bias";
  const auto refused = [&](ErrorCode code, const char* file, const std::string& fact) {
    SCOPED_TRACE(file);
    expect_failure(code, {file, fact},
                   [&] { load(model, kFolder / file, CheckpointWeights::model); });
  };
  refused(file_unknown, "half.pth", last + " has elements of torch.HalfStorage");
  refused(file_mismatch, "integers.pth", last + " is not floating");
  refused(file_corrupt, "expanded.pth", last + " has several elements in one place");
  refused(file_mismatch, "shape.pth", last + " has shape [4], the network needs [3]");
  refused(file_mismatch, "rank.pth", last + " has shape [3,1], the network needs [3]");
  refused(file_mismatch, "extra.pth", "all_modules.18.bias");
  refused(file_mismatch, "mixed.pth", "names with and without \"module.\"");
  refused(file_mismatch, "missing.pth", "has no tensor " + last);
  refused(file_unknown, "attack.pth", "system, which is not allowed,");
  refused(file_mismatch, "other.pth", "lacks the entry \"model\"");
  refused(file_mismatch, "bare.pth", "lacks the entry \"model\"");
}

TEST_F(Checkpoint, AveragesThatDoNotFit) {
  using enum ErrorCode;
  const auto refused = [&](const char* file, const std::string& fact) {
    SCOPED_TRACE(file);
    expect_failure(file_mismatch, {file, fact}, [&] { load(tiny("ddpmpp"), kFolder / file); });
    EXPECT_NO_THROW(load(tiny("ddpmpp"), kFolder / file, CheckpointWeights::model));
  };
  refused("fewer.pth", "averages for the network's");
  refused("shifted.pth", "all_modules.0.weight has shape [32], the network needs [32,8]");
  refused("no_ema.pth", "lacks the entry \"ema\"");
}

/// The same weights as tensors alone, in a file without a configuration.
TEST_F(Checkpoint, PlainTensors) {
  const auto wanted = network(tiny("ddpmpp"));
  load_checkpoint(*wanted, kFolder / "ddpmpp.pth", CheckpointWeights::model);
  const fs::path own = fs::path(::testing::TempDir()) / ("own" + std::to_string(getpid()));
  write_safetensors(own, nn::named_parameters(*wanted));
  for (const fs::path& file :
       {kFolder / "reference.safetensors", kFolder / "module.safetensors", own}) {
    SCOPED_TRACE(file);
    const auto found = nn::make_network(tiny("ddpmpp"), {.image_size = 8}, 2);
    load_plain_tensors(*found, file);
    const auto a = nn::parameters_of(*found), b = nn::parameters_of(*wanted);
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(std::memcmp(a[i].value->raw(), b[i].value->raw(), b[i].value->bytes()), 0)
          << b[i].name;
    }
  }
  fs::remove(own);
}

TEST_F(Checkpoint, PlainTensorsThatDoNotFit) {
  using enum ErrorCode;
  const auto refused = [&](const char* file, const char* fact, nn::ModelConfig model) {
    SCOPED_TRACE(file);
    expect_failure(file_mismatch, {file, fact},
                   [&] { load_plain_tensors(*network(model), kFolder / file); });
  };
  nn::ModelConfig wide = tiny("ddpmpp");
  wide.nf = 12;
  refused("fewer.safetensors", "has no tensor all_modules.0.weight (2 missing)", tiny("ddpmpp"));
  refused("extra.safetensors", "does not know, z.1 (2 unknown)", tiny("ddpmpp"));
  refused("reference.safetensors", "has shape [32,8], the network needs [48,12] (", wide);
  refused("reference.safetensors", "does not know, all_modules.", tiny("ncsnv2"));
}

TEST_F(Checkpoint, AnotherConfiguration) {
  using enum ErrorCode;
  const auto refused = [&](const nn::ModelConfig& model, const char* fact) {
    expect_failure(file_mismatch, {"ncsnpp.pth", fact},
                   [&] { load(model, kFolder / "ncsnpp.pth"); });
  };
  nn::ModelConfig model = tiny("ncsnpp");
  model.nf = 12;
  refused(model, "has shape");
  model = tiny("ncsnpp");
  model.num_res_blocks = 2;
  refused(model, "all_modules.");
  refused(tiny("ddpmpp"), "all_modules.");
}

TEST_F(Checkpoint, NoiseLevels) {
  using enum ErrorCode;
  sde::SdeConfig sde;
  sde.num_scales = 10;
  const fs::path file = kFolder / "ddpmpp.pth";
  const CheckpointInfo info = load(tiny("ddpmpp"), file);
  EXPECT_NO_THROW(check_noise_levels(info, sde, file));
  expect_failure(file_mismatch, {"has the noise level 1 where sde.sigma_max is 50"}, [&] {
    check_noise_levels(load(tiny("ddpmpp"), kFolder / "levels.pth"), sde, kFolder / "levels.pth");
  });
  sde.sigma_max = 50.01;
  expect_failure(file_mismatch, {"sde.sigma_max is 50.01"},
                 [&] { check_noise_levels(info, sde, file); });
  sde.name = "vp";  // keeps the table, but does not use its ends
  EXPECT_NO_THROW(check_noise_levels(info, sde, file));
  sde.num_scales = 11;
  expect_failure(file_mismatch, {"has 10 noise levels, sde.num_scales is 11"},
                 [&] { check_noise_levels(info, sde, file); });
}

/// Networks of the reference, wrapped as checkpoints whose last weights are zero: the averages give
/// the reference's parameters bit by bit, and its output.
class Golden : public ::testing::TestWithParam<const char*> {};

TEST_P(Golden, OutputOfTheReference) {
  const std::string name = std::string("model_") + GetParam();
  const char* set = std::getenv("ITO_SHARED_DIR");
  const fs::path reference =
      fs::path(set != nullptr ? set : ITO_SHARED) / "golden" / (name + ".safetensors");
  if (!fs::exists(kFolder / ("golden_" + name + ".pth"))) {
    GTEST_SKIP() << "python3-torch or the shared golden files are absent (set ITO_SHARED_DIR)";
  }
  const golden::Case c = golden::read_case(reference);
  nn::NetworkConfig config = nn::network_config(c.settings, name);
  const auto take = [&](const char* key, double& value) { value = c.number(key, value); };
  take("model.sigma_min", config.image.sigma_min);
  take("model.sigma_max", config.image.sigma_max);
  config.image.num_scales = static_cast<int>(c.number("model.num_scales", 1000));
  config.image.channels = static_cast<int>(c.number("data.num_channels", 3));
  for (const char* layout : {".pth", ".stream.pth"}) {
    SCOPED_TRACE(layout);
    const auto net = nn::make_network(config.model, config.image, 1);
    load_checkpoint(*net, kFolder / ("golden_" + name + layout), CheckpointWeights::ema);
    for (const nn::Parameter& p : nn::parameters_of(*net)) {
      const Tensor theirs = nn::to_reference(*p.value, p.layout);
      const Tensor& wanted = c.at(p.reference_name);
      ASSERT_EQ(theirs.shape(), wanted.shape()) << p.reference_name;
      EXPECT_EQ(std::memcmp(theirs.raw(), wanted.raw(), wanted.bytes()), 0) << p.reference_name;
    }
    const Tensor x = ops::permute(c.at("input.x"), {0, 2, 3, 1});
    const Tensor y = net->forward(x, ops::cast(c.at("input.labels"), DType::f32));
    const auto ours = ops::permute(y, {0, 3, 1, 2}).to_vector<float>();
    const auto theirs = c.at("output.y").to_vector<float>();
    ASSERT_EQ(ours.size(), theirs.size());
    double worst = 0, square = 0;
    for (size_t i = 0; i < ours.size(); ++i) {
      worst = std::max(worst, std::abs(double{ours[i]} - theirs[i]));
      square += double{theirs[i]} * theirs[i];
    }
    EXPECT_LE(worst, 1e-4 * std::sqrt(square / static_cast<double>(ours.size())));
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, Golden,
                         ::testing::Values("ddpm_vp", "ddpmpp_vp", "ncsnpp_ddpmres_resprog_nofir",
                                           "ncsnpp_ve_28_gray", "ncsnpp_ve_outskip_inskip_cat",
                                           "ncsnpp_ve_resin", "ncsnpp_ve_resout_resin_fir",
                                           "ncsnv2"),
                         [](const auto& p) { return std::string(p.param); });

}  // namespace
}  // namespace ito::tools
