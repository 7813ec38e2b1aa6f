// ito edit: pictures changed by a trained model.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <sstream>

#include "engine/io/safetensors.h"
#include "kernels/binary/op.h"
#include "kernels/broadcast_to/op.h"
#include "kernels/unary/op.h"
#include "samplers/controllable/constraint.h"
#include "samplers/latent/latent.h"
#include "samplers/pc.h"
#include "sde/training/score_model.h"
#include "tools/config/config.h"
#include "tools/data/folder.h"
#include "tools/data/png.h"
#include "tools/data/resize.h"
#include "tools/ito/class_options.h"
#include "tools/ito/commands.h"
#include "tools/run/json_text.h"
#include "tools/run/output_check.h"
#include "tools/run/pictures.h"
#include "tools/run/progress.h"

namespace ito::tools {
namespace {

struct EditOptions {
  std::string model, out, mask = "box:0.25,0.25,0.5,0.5";
  std::vector<std::string> inputs;
  int64_t samples = 4, seed = 0;
  int factor = 2, frames = 8, steps = 0;
  double sigma = 1, tolerance = 1e-5, temperature = 1;
  bool json = false;
  ClassOptions classes;
  CommonOptions common;
};

/// What is reported of an edit.
struct Outcome {
  int64_t evaluations = 0;
  /// Root mean square, of the answer that is farthest off: between its measurement and the one
  /// given; or between the picture of a code and the picture that was encoded.
  std::optional<double> error = {};
};

double largest_difference(const Tensor& a, const Tensor& b) {
  return std::ranges::max(samplers::root_mean_square_difference(a, b));
}

/// A model, its sampling section, and pictures in and out of its data range.
class Editor {
 public:
  explicit Editor(const EditOptions& o)
      : options_(o),
        device_(o.common.apply()),
        model_(sde::load_score_model(o.model, device_)),
        pixels_(data::pixel_map(model_.settings)),
        classes_(class_conditions(o.classes.request(), model_, device_)) {
    Config config;
    config.fields().apply_known(model_.settings, model_.file.string());
    sampling_ = config.sampling;
    if (o.steps > 0) sampling_.steps = o.steps;
    if (model_.sample_shape[0] < 2) {
      fail(ErrorCode::bad_combination, o.model, "draws points, not pictures",
           "give a model of images");
    }
  }

  const sde::ScoreModel& model() const { return model_; }
  /// Means over pixels or colours are no linear function of their logits.
  void need_linear_pixels() const {
    if (!pixels_.logit) return;
    fail(ErrorCode::bad_combination, options_.model, "was trained on logits (data.logit_transform)",
         "use a model of plain pixels; inpaint, interpolate, encode and decode work with this one");
  }
  Device device() const { return device_; }
  int height() const { return static_cast<int>(model_.sample_shape[0]); }
  int width() const { return static_cast<int>(model_.sample_shape[1]); }
  int channels() const { return static_cast<int>(model_.sample_shape[2]); }
  std::vector<int64_t> indices(int64_t count) const {
    std::vector<int64_t> list(static_cast<size_t>(count));
    std::iota(list.begin(), list.end(), 0);
    return list;
  }
  samplers::NoiseSource noise() const { return {.seed = static_cast<uint64_t>(options_.seed)}; }

  /// A picture of height x width pixels as [count, h, w, C] in the data range; `count` copies.
  Tensor read(const std::string& file, int h, int w, int64_t count) const {
    const data::Image picture = data::read_picture(file);
    if (picture.shape.height != h || picture.shape.width != w) {
      fail(ErrorCode::file_mismatch, file,
           "has " + std::to_string(picture.shape.height) + " x " +
               std::to_string(picture.shape.width) + " pixels, needed are " + std::to_string(h) +
               " x " + std::to_string(w),
           "cut or scale it");
    }
    const data::Image image = data::with_channels(picture, channels());
    std::vector<float> values;
    for (int64_t i = 0; i < count; ++i) {
      for (const uint8_t byte : image.bytes) values.push_back(byte / 255.0f);
    }
    data::to_network_range(pixels_, values);
    return Tensor::from(values, {count, h, w, channels()}).to(device_);
  }

  /// Writes samples that agree with y = A x, of the classes asked for: the score of p(x | class)
  /// takes the place of that of p(x).
  Outcome solve(const samplers::LinearMeasurement& measurement, const Tensor& y) const {
    samplers::SamplingConfig config = sampling_;
    config.method = "pc";
    samplers::PcOptions pc = samplers::pc_options(config, *model_.sde);
    pc.constraint = samplers::DataConstraint{.measurement = measurement, .y = y};
    const std::vector<int64_t> samples = indices(y.size(0));
    const Tensor prior =
        samplers::prior_sample(*model_.sde, model_.sample_shape, samples, noise()).to(device_);
    const Tensor start =
        samplers::constrained_start(*pc.constraint, *model_.sde, prior, samples, noise());
    Progress progress;
    const samplers::SampleResult result = samplers::sample_pc(
        classes_.score(model_, samples), *model_.sde, start, samples, pc, noise(),
        [&](const samplers::StepView& view) {
          progress.show("step " + std::to_string(view.step + 1) + "/" + std::to_string(view.steps));
          return samplers::Verdict::go_on;
        });
    write(result.x);
    return {result.evaluations, largest_difference(measurement.apply(result.x), y)};
  }

  samplers::FlowOptions flow() const {
    samplers::check_flow(*model_.sde, model_.labelling.labels);
    return {.solver = {.rtol = options_.tolerance, .atol = options_.tolerance}};
  }

  void write(const Tensor& x) const {
    data::write_png(options_.out, picture_of(x.to(kCpu), pixels_));
  }

 private:
  const EditOptions& options_;
  Device device_;
  sde::ScoreModel model_;
  data::PixelMap pixels_;
  ClassConditions classes_;
  samplers::SamplingConfig sampling_;
};

/// A number, or one that is no share if the text is something else.
double share_of(const std::string& text) {
  double value = -1;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end ? value : -1;
}

/// "box:top,left,height,width" in shares of the picture, "random:share known", or a picture whose
/// light pixels are known. [1, H, W, 1].
Tensor mask_of(const EditOptions& o, const Editor& editor, const Tensor& image) {
  const size_t colon = o.mask.find(':');
  std::vector<double> numbers;
  std::istringstream text(colon == std::string::npos ? "" : o.mask.substr(colon + 1));
  for (std::string part; std::getline(text, part, ',');) numbers.push_back(share_of(part));
  const auto refuse = [&] {
    fail(ErrorCode::bad_value, "--mask", "is \"" + o.mask + "\"",
         "write box:top,left,height,width with shares of the picture, random:0.5, or a PNG");
  };
  const bool shares = std::ranges::all_of(numbers, [](double v) { return v >= 0 && v <= 1; });
  if (o.mask.starts_with("box:")) {
    if (numbers.size() != 4 || !shares || numbers[0] + numbers[2] > 1 ||
        numbers[1] + numbers[3] > 1)
      refuse();
    const auto pixels = [](double share, int side) { return std::llround(share * side); };
    return samplers::box_mask(
        image, pixels(numbers[0], editor.height()), pixels(numbers[1], editor.width()),
        pixels(numbers[2], editor.height()), pixels(numbers[3], editor.width()));
  }
  if (o.mask.starts_with("random:")) {
    if (numbers.size() != 1 || !shares) refuse();
    return samplers::random_mask(image, numbers[0],
                                 {static_cast<uint64_t>(o.seed), Purpose::data, 0});
  }
  const data::Image picture = data::with_channels(data::read_picture(o.mask), 1);
  if (picture.shape.height != editor.height() || picture.shape.width != editor.width()) {
    fail(ErrorCode::file_mismatch, o.mask, "has another size than the model's pictures",
         "give " + std::to_string(editor.height()) + " x " + std::to_string(editor.width()) +
             " pixels, white where the picture is known");
  }
  std::vector<float> values;
  for (const uint8_t byte : picture.bytes) values.push_back(byte >= 128 ? 1.0f : 0.0f);
  return Tensor::from(values, {1, editor.height(), editor.width(), 1}).to(editor.device());
}

Outcome inpaint(const EditOptions& o, const Editor& e) {
  const Tensor image = e.read(o.inputs[0], e.height(), e.width(), o.samples);
  const auto measurement = samplers::inpainting(mask_of(o, e, image));
  return e.solve(measurement, measurement.apply(image));
}

Outcome colorize(const EditOptions& o, const Editor& e) {
  if (e.channels() != 3) {
    fail(ErrorCode::bad_combination, o.model, "draws grey pictures", "give a model of colours");
  }
  e.need_linear_pixels();
  const Tensor image = e.read(o.inputs[0], e.height(), e.width(), o.samples);
  const auto measurement = samplers::colorization(image);
  return e.solve(measurement, measurement.apply(image));
}

Outcome superres(const EditOptions& o, const Editor& e) {
  e.need_linear_pixels();
  if (e.height() % o.factor != 0 || e.width() % o.factor != 0) {
    fail(ErrorCode::bad_value, "--factor", "is " + std::to_string(o.factor),
         "use a divisor of " + std::to_string(e.height()));
  }
  const Tensor small = e.read(o.inputs[0], e.height() / o.factor, e.width() / o.factor, o.samples);
  return e.solve(samplers::super_resolution(o.factor), small);
}

Outcome deblur(const EditOptions& o, const Editor& e) {
  e.need_linear_pixels();
  constexpr double kThreshold = 1e-2;  // singular values that a picture of 8 bits can tell from 0
  const Tensor image = e.read(o.inputs[0], e.height(), e.width(), o.samples);
  const std::vector<double> taps = samplers::gaussian_taps(o.sigma);
  if (2 * std::ssize(taps) > std::min(e.height(), e.width()) + 1) {
    fail(ErrorCode::bad_value, "--sigma", "is wider than the picture", "use a smaller one");
  }
  return e.solve(samplers::blur(taps, kThreshold, image), image);
}

Outcome interpolate(const EditOptions& o, const Editor& e) {
  std::vector<Tensor> codes;
  Outcome outcome;
  for (const std::string& file : o.inputs) {
    const Tensor x = e.read(file, e.height(), e.width(), 1);
    const auto code = samplers::encode(e.model().score(), *e.model().sde, x, e.flow());
    codes.push_back(code.x);
    outcome.evaluations += code.evaluations;
  }
  std::vector<double> shares;
  for (int i = 0; i < o.frames; ++i) shares.push_back(double(i) / std::max(1, o.frames - 1));
  const Shape one = e.model().sample_shape;
  const Tensor path =
      samplers::spherical_interpolation(codes[0].alias(one), codes[1].alias(one), shares);
  const auto pictures = samplers::decode(e.model().score(), *e.model().sde, path, e.flow());
  e.write(pictures.x);
  outcome.evaluations += pictures.evaluations;
  return outcome;
}

Outcome encode(const EditOptions& o, const Editor& e) {
  const Tensor x = e.read(o.inputs[0], e.height(), e.width(), 1);
  const samplers::SampleResult code =
      samplers::encode(e.model().score(), *e.model().sde, x, e.flow());
  const Tensor back = samplers::decode(e.model().score(), *e.model().sde, code.x, e.flow()).x;
  write_safetensors(o.out, {{"code", code.x}}, {{"model", escaped(e.model().file.string())}});
  return {code.evaluations, largest_difference(back, x)};
}

Outcome decode(const EditOptions& o, const Editor& e) {
  const SafetensorsFile file = read_safetensors(o.inputs[0]);
  const Tensor code = file.at("code", o.inputs[0]);
  const Shape one = e.model().sample_shape;
  if (code.rank() != 4 || code.dtype() != DType::f32 ||
      code.shape() != Shape{code.size(0), one[0], one[1], one[2]}) {
    fail(ErrorCode::file_mismatch, o.inputs[0], "holds a code " + describe(code),
         "give a code of this model, from ito edit encode");
  }
  const Tensor z = samplers::at_temperature(code.to(e.device()), o.temperature);
  const auto picture = samplers::decode(e.model().score(), *e.model().sde, z, e.flow());
  e.write(picture.x);
  return {picture.evaluations};
}

struct Kind {
  const char *name, *doc;
  Outcome (*run)(const EditOptions&, const Editor&);
  enum Uses : unsigned { kPosterior = 1, kMask = 2, kFactor = 4, kBlur = 8, kFlow = 16 };
  unsigned uses;
};
constexpr Kind kKinds[] = {
    {"inpaint", "Fill in a part of a picture", inpaint, Kind::kPosterior | Kind::kMask},
    {"colorize", "Give colours to a grey picture", colorize, Kind::kPosterior},
    {"superres", "Draw a small picture larger", superres, Kind::kPosterior | Kind::kFactor},
    {"deblur", "Sharpen a blurred picture", deblur, Kind::kPosterior | Kind::kBlur},
    {"interpolate", "Go from one picture to another through their codes", interpolate, Kind::kFlow},
    {"encode", "Write the code of a picture to a .safetensors file", encode, Kind::kFlow},
    {"decode", "Draw the picture of a code", decode, Kind::kFlow},
};

void check_usage(const Kind& kind, const EditOptions& o) {
  const size_t needed = kind.run == interpolate ? 2 : 1;
  if (o.inputs.size() != needed) {
    fail(ErrorCode::bad_usage, std::string("ito edit ") + kind.name,
         needed == 2 ? "needs two pictures" : "takes one input",
         needed == 2 ? "give --input twice" : "give --input once");
  }
  check_output_file(o.out);
}

void add_options(CLI::App& app, const Kind& kind, EditOptions& o) {
  app.add_option("model", o.model, "Run folder, checkpoint folder, or .safetensors file")
      ->required();
  app.add_option("--input", o.inputs, "Picture (PNG or JPEG), or code for decode")
      ->required()
      ->allow_extra_args(false);
  app.add_option("--out", o.out, "File to write")->required();
  if (kind.uses & Kind::kPosterior) {
    app.add_option("--samples", o.samples, "How many answers to draw")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str();
    app.add_option("--steps", o.steps, "Predictor steps; the training's if not given")
        ->check(CLI::Range(1, 1'000'000));
    o.classes.add_to(app);
  }
  if (kind.uses & Kind::kMask) {
    app.add_option("--mask", o.mask,
                   "What is unknown: box:top,left,height,width in shares of the picture; "
                   "random:0.5, the share that is known; or a picture, white where it is known")
        ->capture_default_str();
  }
  if (kind.uses & Kind::kFactor) {
    app.add_option("--factor", o.factor, "Sides become so many times as long")
        ->check(CLI::Range(2, 64))
        ->capture_default_str();
  }
  if (kind.uses & Kind::kBlur) {
    app.add_option("--sigma", o.sigma, "Standard deviation of the blur, in pixels")
        ->check(CLI::Range(0.1, 100.0))
        ->capture_default_str();
  }
  if (kind.uses & Kind::kFlow) {
    app.add_option("--tolerance", o.tolerance, "Relative and absolute, of a solver step")
        ->check(CLI::Range(1e-12, 1.0))
        ->capture_default_str();
    app.add_option("--frames", o.frames, "interpolate: pictures, the ends included")
        ->check(CLI::Range(2, 1024))
        ->capture_default_str();
    app.add_option("--temperature", o.temperature, "decode: factor of the code")
        ->check(CLI::Range(0.0, 10.0))
        ->capture_default_str();
  }
  app.add_option("--seed", o.seed, "Of everything random")
      ->check(CLI::Range(int64_t{0}, kMostSeed))
      ->capture_default_str();
  add_json(app, o.json);
  o.common.add_to(app);
}

void print(const Kind& kind, const EditOptions& o, const Outcome& outcome, double seconds) {
  if (o.json) {
    Json json;
    json["edit"] = kind.name;
    json["model"] = o.model;
    json["inputs"] = o.inputs;
    json["files"] = {o.out};
    json["seed"] = o.seed;
    json["evaluations"] = outcome.evaluations;
    json["error"] = outcome.error ? Json(*outcome.error) : nullptr;
    json["seconds"] = seconds;
    print_json(json);
    return;
  }
  std::printf("evaluations %lld", static_cast<long long>(outcome.evaluations));
  if (outcome.error) {
    const bool measured = (kind.uses & Kind::kPosterior) != 0;
    std::printf(", %s error %.3g (root mean square)", measured ? "measurement" : "reconstruction",
                *outcome.error);
  }
  std::printf("\n");
}

}  // namespace

Command add_edit(CLI::App& app) {
  app.require_subcommand(1);
  std::vector<std::pair<const CLI::App*, std::shared_ptr<EditOptions>>> kinds;
  for (const Kind& kind : kKinds) {
    CLI::App* sub = app.add_subcommand(kind.name, kind.doc);
    kinds.emplace_back(sub, std::make_shared<EditOptions>());
    add_options(*sub, kind, *kinds.back().second);
  }
  return [kinds] {
    for (size_t i = 0; i < kinds.size(); ++i) {
      if (!kinds[i].first->parsed()) continue;
      const EditOptions& o = *kinds[i].second;
      check_usage(kKinds[i], o);
      const auto start = std::chrono::steady_clock::now();
      const Outcome outcome = kKinds[i].run(o, Editor(o));
      const double seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      print(kKinds[i], o, outcome, seconds);
    }
    return 0;
  };
}

}  // namespace ito::tools
