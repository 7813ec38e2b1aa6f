#include <benchmark/benchmark.h>
#include <zip.h>

#include <fstream>
#include <limits>
#include <memory>
#include <stdexcept>
#include <vector>

#include "bench/system_bench.h"
#include "tools/data/batch_source.h"
#include "tools/data/digits.h"
#include "tools/data/npz.h"
#include "tools/data/packed.h"
#include "tools/data/png.h"
#include "tools/run/background_loader.h"

namespace ito::bench {
namespace {

constexpr int kImages = 64, kSize = 32, kChannels = 3, kBatch = 64;

/// The pictures that every form holds.
struct Pictures {
  data::Dataset::Content content = data::make_digits(7, kImages, kSize, kChannels);

  std::span<const uint8_t> bytes(int64_t i) const {
    const size_t size = content.shape.numel();
    return std::span(content.pixels).subspan(static_cast<size_t>(i) * size, size);
  }
  std::string name(int64_t i) const { return "image_" + std::to_string(1000 + i) + ".png"; }
};

void write_folder(const std::filesystem::path& path, const Pictures& p) {
  std::filesystem::create_directory(path);
  for (int64_t i = 0; i < kImages; ++i) {
    data::write_png(path / p.name(i), p.bytes(i), p.content.shape);
  }
}

void write_zip(const std::filesystem::path& path, const Pictures& p) {
  std::vector<std::vector<uint8_t>> files;  // read when the archive is closed
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_EXCL, nullptr);
  if (archive == nullptr) throw std::runtime_error("cannot write " + path.string());
  for (int64_t i = 0; i < kImages; ++i) {
    files.push_back(data::encode_png(p.bytes(i), p.content.shape));
    zip_source_t* bytes = zip_source_buffer(archive, files.back().data(), files.back().size(), 0);
    zip_file_add(archive, p.name(i).c_str(), bytes, ZIP_FL_ENC_UTF_8);
  }
  if (zip_close(archive) != 0) throw std::runtime_error("cannot write " + path.string());
}

void write_npz(const std::filesystem::path& path, const Pictures& p) {
  const Tensor images = Tensor::empty({kImages, kSize, kSize, kChannels}, DType::u8);
  std::ranges::copy(p.content.pixels, images.data<uint8_t>());
  data::write_npz(path, {{"arr_0", images}});
}

void write_packed(const std::filesystem::path& path, const Pictures& p) {
  const data::ImageRange all{0, kImages};
  data::write_packed(path, {.name = "digits",
                            .shape = p.content.shape,
                            .train = all,
                            .test = all,
                            .count = kImages,
                            .image = [&](uint64_t i) {
                              const auto bytes = p.bytes(static_cast<int64_t>(i));
                              return std::vector<uint8_t>(bytes.begin(), bytes.end());
                            }});
}

/// Records of a label and three colour planes, as CIFAR-10 has them.
void write_planar(const std::filesystem::path& path, const Pictures& p) {
  std::ofstream file(path, std::ios::binary);
  for (int64_t i = 0; i < kImages; ++i) {
    const auto bytes = p.bytes(i);
    file.put(static_cast<char>(i % 10));
    for (size_t c = 0; c < kChannels; ++c) {
      for (size_t k = c; k < bytes.size(); k += kChannels) file.put(static_cast<char>(bytes[k]));
    }
  }
}

/// A batch source that owns all it reads.
data::BatchSource open(const data::DataConfig& config) {
  return {data::open_dataset(config, data::Split::train), kBatch, 1};
}

Tensor batch_of(const data::BatchSource& source, int64_t step) {
  Tensor x = Tensor::empty({kBatch, kSize, kSize, kChannels}, DType::f32);
  source.batch_at(step, x.span<float>(), {}, {});
  return x;
}

void time_opening(benchmark::State& state, const data::DataConfig& config) {
  for (auto _ : state) {
    const Stopwatch watch;
    benchmark::DoNotOptimize(batch_of(open(config), 0));
    state.SetIterationTime(watch.seconds());
  }
}

void time_batches(benchmark::State& state, const data::DataConfig& config) {
  const data::BatchSource source = open(config);
  int64_t step = 0;
  batch_of(source, step);
  for (auto _ : state) {
    const Stopwatch watch;
    benchmark::DoNotOptimize(batch_of(source, ++step));
    state.SetIterationTime(watch.seconds());
  }
  using benchmark::Counter;
  state.counters["batches/s"] = Counter(1, Counter::kIsIterationInvariantRate);
}

/// What a training waits for its batches: the loader makes the next while a step keeps this thread
/// busy.
void time_beside_step(benchmark::State& state, const data::DataConfig& config,
                      double step_seconds) {
  const data::BatchSource source = open(config);
  tools::BackgroundLoader loader(
      [&](int64_t step) {
        return tools::Batch{batch_of(source, step), {}};
      },
      0, std::numeric_limits<int64_t>::max());
  loader.at(0);
  const double waited = loader.seconds_waited();
  double total = 0;
  int64_t step = 0;
  for (auto _ : state) {
    const Stopwatch watch;
    benchmark::DoNotOptimize(loader.at(++step));
    for (const Stopwatch work; work.seconds() < step_seconds;) {
    }
    state.SetIterationTime(watch.seconds());
    total += watch.seconds();
  }
  state.counters["waited_percent"] = 100 * (loader.seconds_waited() - waited) / total;
}

}  // namespace

void register_loaders(const std::filesystem::path& folder) {
  const Pictures pictures;
  write_folder(folder / "folder", pictures);
  write_zip(folder / "archive.zip", pictures);
  write_npz(folder / "array.npz", pictures);
  write_packed(folder / "packed", pictures);
  write_planar(folder / "planar", pictures);
  const std::pair<const char*, const char*> forms[] = {
      {"digits", ""},       {"folder", "folder"}, {"zip", "archive.zip"},
      {"npz", "array.npz"}, {"packed", "packed"}, {"planar", "planar"}};
  for (const auto& [name, file] : forms) {
    const data::DataConfig config{
        .name = name, .path = folder / file, .image_size = kSize, .channels = kChannels};
    const std::string form = name;
    add("loader/open/" + form, [=](benchmark::State& s) { time_opening(s, config); });
    add("loader/batch/" + form, [=](benchmark::State& s) { time_batches(s, config); });
    for (const int milliseconds : {1, 10}) {
      add("loader/beside_step_of_" + std::to_string(milliseconds) + "_ms/" + form,
          [=](benchmark::State& s) { time_beside_step(s, config, 1e-3 * milliseconds); });
    }
  }
}

}  // namespace ito::bench
