// Writes small valid inputs for every fuzz target: write_seeds FOLDER.
#include <turbojpeg.h>

#include <bit>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>

#include "engine/io/atomic_file.h"
#include "engine/io/safetensors.h"
#include "engine/io/settings_json.h"
#include "tests/data/zip_bytes.h"
#include "tools/data/npz.h"
#include "tools/data/packed.h"
#include "tools/data/png.h"

namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;
using ito::DType;
using ito::Tensor;
using ito::data::test::Bytes;
using ito::data::test::zip;
using Packing = ito::data::test::ZipEntry::Packing;

fs::path root;

void save(const std::string& target, const std::string& name, const Bytes& bytes) {
  fs::create_directories(root / target);
  ito::write_file_atomically(root / target / name, bytes);
}
Bytes of(const std::string& text) { return {text.begin(), text.end()}; }
void save(const std::string& target, const std::string& name, const std::string& text) {
  save(target, name, of(text));
}

Bytes pattern(size_t count) {
  Bytes bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(i * i * 7 + i);
  return bytes;
}

Bytes png(int channels) {
  return ito::data::encode_png(pattern(size_t(6 * 5 * channels)), {6, 5, channels});
}

Bytes jpeg(int sampling, int flags) {
  const tjhandle handle = tjInitCompress();
  unsigned char* out = nullptr;
  unsigned long size = 0;
  const Bytes pixels = pattern(16 * 12 * 3);
  tjCompress2(handle, pixels.data(), 12, 0, 16, TJPF_RGB, &out, &size, sampling, 80, flags);
  const Bytes bytes(out, out + size);
  tjFree(out);
  tjDestroy(handle);
  return bytes;
}

void pictures() {
  save("png", "grey", png(1));
  save("png", "colour", png(3));
  save("jpeg", "grey", jpeg(TJSAMP_GRAY, 0));
  save("jpeg", "full", jpeg(TJSAMP_444, 0));
  save("jpeg", "halved", jpeg(TJSAMP_420, 0));
  save("jpeg", "progressive", jpeg(TJSAMP_420, TJFLAG_PROGRESSIVE));
  const Bytes labels = of(R"({"labels": [["a.png", 1], ["b/c.png", 0]], "more": [{"x": null}]})");
  save("labels", "labels", labels);
  save("labels", "none", R"({"labels": null})");
  for (const Packing packing : {Packing::stored, Packing::deflated}) {
    save("zip", packing == Packing::stored ? "stored" : "deflated",
         zip({{"a.png", png(3), packing},
              {"b/c.jpg", jpeg(TJSAMP_420, 0), packing},
              {"dataset.json", of(R"({"labels": [["a.png", 1], ["b/c.jpg", 0]]})"), packing}}));
  }
}

void arrays() {
  const Tensor images = Tensor::from(pattern(3 * 4 * 5 * 3), {3, 4, 5, 3});
  const Tensor labels = Tensor::from(std::vector<int64_t>{2, 0, 1}, {3});
  save("npy", "images", ito::data::npy_bytes(images));
  save("npy", "labels", ito::data::npy_bytes(labels));
  save("npy", "scalar", ito::data::npy_bytes(Tensor::full({}, 2.5, DType::f64)));
  fs::create_directories(root / "npz");
  ito::data::write_npz(root / "npz" / "stored", {{"images", images}, {"labels", labels}},
                       ito::data::Packing::stored);
  ito::data::write_npz(root / "npz" / "deflated", {{"arr_0", images}, {"arr_1", labels}});
  fs::create_directories(root / "safetensors");
  ito::write_safetensors(root / "safetensors" / "two", {{"a", images}, {"b.c", labels}},
                         {{"format", "ito"}, {"config", "{}"}});
  ito::write_safetensors(root / "safetensors" / "empty", {});
}

void data_sets() {
  save("csv", "header", "x,y\r\n1,2\r\n-3.5e-2, 4\r\n");
  save("csv", "plain", "1,2\n3,4\n\n5,6");
  const auto big = [](std::initializer_list<uint32_t> words) {
    Bytes bytes;
    for (const uint32_t w : words) {
      for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(uint8_t(w >> shift));
    }
    return bytes;
  };
  const auto joined = [](std::initializer_list<Bytes> parts) {
    Bytes all;
    for (const Bytes& p : parts) all.insert(all.end(), p.begin(), p.end());
    return all;
  };
  save("idx", "two", joined({{10}, big({2049, 2}), {7, 3}, big({2051, 2, 3, 4}), pattern(24)}));
  Bytes records = pattern(3 * 13);
  for (const size_t i : {0, 13, 26}) records[i] = uint8_t(i % 10);
  save("planar", "three", records);
  for (const int classes : {0, 3}) {
    fs::create_directories(root / "packed");
    ito::data::PackedContent c{.name = "seed", .shape = {2, 3, 3}, .classes = classes};
    c.count = 4;
    c.train = {0, 3};
    c.test = {3, 1};
    if (classes > 0) c.labels = {0, 2, 1, 0};
    c.image = [](uint64_t i) { return Bytes(18, uint8_t(i)); };
    ito::data::write_packed(root / "packed" / std::to_string(classes), c);
  }
}

void settings() {
  save("settings", "some",
       R"({"model": {"nf": 128, "ch_mult": [1, 2, 2]}, "sde": {"name": "ve", "sigma_max": 50.0},
           "data": {"centered": false}})");
  save("toml", "some",
       "[data]\nname = \"digits\"\ncentered = true\n[sde]\nname = \"vp\"\nbeta_max = 20.0\n"
       "[model]\nnf = 128\nch_mult = [1, 2, 2]\nembedding_type = \"positional\"\n");
  save("toml", "text", "[data]\npath = \"a\\u0007\\\"b\"\nname = 'folder'\n# remark\n");
  save("diffusers", "ddpm",
       R"({"_class_name": "UNet2DModel", "sample_size": 32, "block_out_channels": [128, 256],
           "down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "norm_eps": 1e-06,
           "up_block_types": ["AttnUpBlock2D", "UpBlock2D"], "attention_head_dim": null,
           "freq_shift": 1, "downsample_padding": 0})");
  save("diffusers", "scheduler",
       R"({"_class_name": "DDPMScheduler", "num_train_timesteps": 1000, "beta_start": 0.0001,
           "beta_end": 0.02, "beta_schedule": "linear"})");
}

std::string word(uint64_t value, size_t bytes) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}
std::string text(const std::string& value) { return "X" + word(value.size(), 4) + value; }

/// {"w": a tensor of 2 x 3 floats}, as torch.save writes it.
void torch_files() {
  const std::string program = "\x80\x02}" + text("w") + "ctorch._utils\n_rebuild_tensor_v2\n((" +
                              text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("cpu") +
                              "K\x06"
                              "tQK\x00K\x02K\x03\x86K\x03K\x01\x86\x89"
                              "ccollections\nOrderedDict\n)RtRs."s;
  std::string floats;
  for (int i = 0; i < 6; ++i) floats += word(std::bit_cast<uint32_t>(static_cast<float>(i)), 4);
  save("pickle", "tensor", program);
  save("pickle", "values", "\x80\x02}(" + text("b") + "]K\x02" + "a" + text("a") + "K\x03\x85u.");
  save("torch", "zip",
       zip({{"a/data.pkl", of(program)}, {"a/data/0", of(floats)}, {"a/version", of("3\n")}}));
  // The stream: two numbers, the system's sizes, the object, the keys, the storages. Its storages
  // are described with one more item.
  std::string stream =
      "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03."
      "\x80\x02}."s;
  std::string object = program;
  object.replace(object.find("tQ"), 2, "NtQ");
  stream += object + "\x80\x02]" + text("0") + "a." + word(6, 8) + floats;
  save("torch", "stream", stream);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  root = argv[1];
  pictures();
  arrays();
  data_sets();
  settings();
  torch_files();
  return 0;
}
