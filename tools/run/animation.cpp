#include "tools/run/animation.h"

#include <webp/encode.h>
#include <webp/mux.h>

#include <algorithm>
#include <cmath>

#include "engine/core/check.h"
#include "tools/data/grid.h"
#include "tools/data/resize.h"
#include "tools/run/plane_plot.h"

namespace ito::tools {
namespace {

/// One evaluation of the score: what the network saw, and what it took it for.
struct Moment {
  std::vector<float> x, denoised;  // [N, H, W, C]
  std::vector<double> t;           // [N]
};

/// Keeps the evaluations that are asked for.
class Recorder {
 public:
  explicit Recorder(std::shared_ptr<const sde::Sde> sde) : sde_(std::move(sde)) {}

  void keep_next() { wanted_ = true; }
  const std::vector<Moment>& moments() const { return moments_; }

  /// The same score under observation. It cannot be part of a recorded graph, where nobody could
  /// look at it.
  sde::ScoreFn watched(const sde::ScoreFn& score) {
    return sde::ScoreFn([this, score](const Tensor& x, std::span<const double> t) {
      const Tensor s = score(x, t);
      if (wanted_) keep(x.to_vector<float>(), s.to_vector<float>(), x.size(0), t);
      wanted_ = false;
      return s;
    });
  }

 private:
  void keep(std::vector<float> x, std::vector<float> s, int64_t count, std::span<const double> t) {
    Moment moment{.x = std::move(x), .denoised = std::move(s)};
    const size_t per_sample = moment.x.size() / static_cast<size_t>(count);
    for (size_t n = 0; n < static_cast<size_t>(count); ++n) {
      moment.t.push_back(t.size() == 1 ? t[0] : t[n]);
      const samplers::StepCoef c = samplers::tweedie(*sde_, moment.t.back());
      for (size_t i = n * per_sample; i < (n + 1) * per_sample; ++i) {
        moment.denoised[i] = static_cast<float>(c.x * moment.x[i] + c.score * moment.denoised[i]);
      }
    }
    moments_.push_back(std::move(moment));
  }

  std::shared_ptr<const sde::Sde> sde_;
  bool wanted_ = false;
  std::vector<Moment> moments_;
};

bool are_points(const Shape& sample) { return sample[0] == 1 && sample[2] == 2; }

/// States as pictures: alpha times the middle of the data becomes grey, and the data's half width
/// plus two standard deviations of the noise fill the range. Without noise that is the data itself.
/// Logits count as data of [-8, 8], where almost all of them lie.
std::vector<float> visible(const Moment& m, const sde::Sde& sde, data::PixelMap pixels) {
  const bool symmetric = pixels.centered || pixels.logit;
  const double width = pixels.logit ? 8 : pixels.centered ? 1 : 0.5;
  std::vector<float> values = m.x;
  const size_t per_sample = values.size() / m.t.size();
  for (size_t n = 0; n < m.t.size(); ++n) {
    const double alpha = sde.alpha(m.t[n]), sigma = sde.sigma(m.t[n]);
    const double middle = symmetric ? 0 : 0.5 * alpha;
    const double scale = 0.5 / (width * alpha + 2 * sigma);
    for (size_t i = n * per_sample; i < (n + 1) * per_sample; ++i) {
      values[i] = static_cast<float>(0.5 + scale * (values[i] - middle));
    }
  }
  return values;
}

class Painter {
 public:
  Painter(const SampleJob& job, int64_t count)
      : job_(job), shape_{count, job.sample_shape[0], job.sample_shape[1], job.sample_shape[2]} {}

  data::Image frame(const Moment& m) const {
    const sde::Sde& sde = *job_.sde;
    if (are_points(job_.sample_shape)) {
      const double spread = std::hypot(sde.alpha(m.t[0]), sde.sigma(m.t[0]));
      return side_by_side({points(m.x, spread), points(m.denoised, 1)});
    }
    return side_by_side({grid(visible(m, sde, job_.pixels)), clean(m.denoised)});
  }
  data::Image last_frame(const Tensor& x) const {
    const std::vector<float> values = x.to_vector<float>();
    const data::Image picture = are_points(job_.sample_shape) ? points(values, 1) : clean(values);
    return side_by_side({picture, picture});
  }

 private:
  static data::Image points(const std::vector<float>& xy, double spread) {
    return data::scatter_plot(xy, {.size = 256, .half_width = static_cast<float>(3 * spread)});
  }
  data::Image clean(const std::vector<float>& values) const {
    return grid(unit_range(Tensor::from(values, shape_), job_.pixels));
  }
  data::Image grid(const std::vector<float>& unit) const {
    const data::ImageShape s{static_cast<int>(shape_[1]), static_cast<int>(shape_[2]),
                             static_cast<int>(shape_[3])};
    return data::make_grid(data::to_bytes(unit, data::Rounding::nearest), s,
                           {.scale = magnification(shape_[1])});
  }

  const SampleJob& job_;
  Shape shape_;  // [N, H, W, C]
};

/// A run of the sampler, and `most` moments of it at most.
struct Way {
  std::vector<Moment> moments;
  Drawn drawn;
};

Way way_of(const SampleJob& job, const std::vector<int64_t>& seeds, int64_t most,
           const samplers::Observer& watch) {
  const int64_t steps = samplers::observed_steps(job.sampling);
  if (steps > 0) most = std::min(most, steps);
  Recorder recorder(job.sde);
  SampleJob watched = job;
  watched.score_of = [&](const std::vector<int64_t>& samples) {
    return recorder.watched(job.score_of ? job.score_of(samples) : job.score);
  };
  recorder.keep_next();
  int64_t asked = 1;
  const auto observer = [&](const samplers::StepView& view) {
    const bool due = steps > 0 ? view.step + 1 >= asked * steps / most
                               : view.t <= job.sde->T() * (1 - double(asked) / double(most));
    if (due && asked < most) {
      recorder.keep_next();
      ++asked;
    }
    return watch ? watch(view) : samplers::Verdict::go_on;
  };
  Drawn drawn = draw_batch(watched, seeds, observer);
  return {recorder.moments(), std::move(drawn)};
}

}  // namespace

std::vector<data::Image> trajectory_frames(const SampleJob& job, const std::vector<int64_t>& seeds,
                                           int frames, const samplers::Observer& watch) {
  ITO_CHECK(frames >= 2, ValueError, "a moving picture has two frames or more",
            kv("frames", frames));
  const Way way = way_of(job, seeds, frames - 1, watch);
  const Painter painter(job, std::ssize(seeds));
  std::vector<data::Image> list;
  for (const Moment& m : way.moments) list.push_back(painter.frame(m));
  list.push_back(painter.last_frame(way.drawn.x));
  return list;
}

std::optional<data::Image> trajectory_sheet(const SampleJob& job, const std::vector<int64_t>& seeds,
                                            int columns, const samplers::Observer& watch) {
  ITO_CHECK(columns >= 2 && !are_points(job.sample_shape), ValueError,
            "a sheet has two columns or more, of images", kv("columns", columns));
  const Way way = way_of(job, seeds, columns - 1, watch);
  if (!way.drawn.finished) return std::nullopt;
  const Shape& shape = way.drawn.x.shape();
  const std::vector<float> last = unit_range(way.drawn.x, job.pixels);
  std::vector<std::vector<float>> states, estimates;  // of all samples, column by column
  for (const Moment& m : way.moments) {
    states.push_back(visible(m, *job.sde, job.pixels));
    estimates.push_back(unit_range(Tensor::from(m.denoised, shape), job.pixels));
  }
  std::vector<float> tiles;
  const auto per_image = static_cast<std::ptrdiff_t>(job.sample_shape.numel());
  for (std::ptrdiff_t n = 0; n < std::ssize(seeds); ++n) {
    for (auto* row : {&states, &estimates}) {
      const auto add = [&](const std::vector<float>& column) {
        tiles.insert(tiles.end(), column.begin() + n * per_image,
                     column.begin() + (n + 1) * per_image);
      };
      for (const std::vector<float>& column : *row) add(column);
      add(last);
    }
  }
  const data::ImageShape image{static_cast<int>(shape[1]), static_cast<int>(shape[2]),
                               static_cast<int>(shape[3])};
  return data::make_grid(
      data::to_bytes(tiles, data::Rounding::nearest), image,
      {.columns = static_cast<int>(states.size()) + 1, .scale = magnification(shape[1])});
}

int64_t samples_in_animation(int64_t size) {
  constexpr int64_t kSide = 256, kMost = 16, kMostPoints = 2000;
  if (size == 1) return kMostPoints;
  const int64_t across = std::max<int64_t>(1, kSide / size);
  return std::min(kMost, across * across);
}

namespace {

void check_webp(bool good) {
  ITO_CHECK(good, InternalError, "libwebp encodes a picture in memory");
}

/// Owns what libwebp allocates for a frame.
class WebpFrame {
 public:
  explicit WebpFrame(const data::Image& rgb) {
    check_webp(WebPPictureInit(&picture_) != 0);
    picture_.use_argb = 1;
    picture_.width = rgb.shape.width;
    picture_.height = rgb.shape.height;
    check_webp(WebPPictureImportRGB(&picture_, rgb.bytes.data(), 3 * rgb.shape.width) != 0);
  }
  ~WebpFrame() { WebPPictureFree(&picture_); }
  WebpFrame(const WebpFrame&) = delete;
  WebpFrame& operator=(const WebpFrame&) = delete;

  WebPPicture* get() { return &picture_; }

 private:
  WebPPicture picture_;
};

WebPConfig webp_config(WebpOptions::Coding coding) {
  constexpr int kLosslessLevel = 4;  // of 9: beyond, minutes for some per cent
  constexpr float kQuality = 85;
  WebPConfig config;
  check_webp(WebPConfigInit(&config) != 0);
  if (coding == WebpOptions::Coding::lossless) {
    check_webp(WebPConfigLosslessPreset(&config, kLosslessLevel) != 0);
  } else {
    config.quality = kQuality;
  }
  return config;
}

}  // namespace

std::vector<uint8_t> encode_webp(const std::vector<data::Image>& frames,
                                 const WebpOptions& options) {
  ITO_CHECK(!frames.empty(), ValueError, "a moving picture needs frames");
  const data::ImageShape shape = frames[0].shape;
  const bool fits = std::min(shape.height, shape.width) >= 1 &&
                    std::max(shape.height, shape.width) <= WEBP_MAX_DIMENSION &&
                    std::ranges::all_of(frames, [&](const auto& f) { return f.shape == shape; });
  ITO_CHECK(fits, ValueError, "frames have one size of 1 to 16383 pixels a side",
            kv("height", shape.height), kv("width", shape.width));
  WebPAnimEncoderOptions about;
  check_webp(WebPAnimEncoderOptionsInit(&about) != 0);
  const std::unique_ptr<WebPAnimEncoder, decltype(&WebPAnimEncoderDelete)> encoder(
      WebPAnimEncoderNew(shape.width, shape.height, &about), WebPAnimEncoderDelete);
  check_webp(encoder != nullptr);
  const WebPConfig config = webp_config(options.coding);
  int now = 0;
  for (const data::Image& frame : frames) {
    WebpFrame rgb(data::with_channels(frame, 3));
    check_webp(WebPAnimEncoderAdd(encoder.get(), rgb.get(), now, &config) != 0);
    now += options.frame_ms;
  }
  // The time of the end says how long the last frame stays.
  now += options.last_ms - options.frame_ms;
  check_webp(WebPAnimEncoderAdd(encoder.get(), nullptr, now, nullptr) != 0);
  WebPData data;
  WebPDataInit(&data);
  check_webp(WebPAnimEncoderAssemble(encoder.get(), &data) != 0);
  const std::vector<uint8_t> bytes(data.bytes, data.bytes + data.size);
  WebPDataClear(&data);
  return bytes;
}

}  // namespace ito::tools
