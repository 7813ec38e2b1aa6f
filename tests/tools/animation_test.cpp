// Moving pictures of trajectories, and pictures in a terminal.
#include "tools/run/animation.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <webp/demux.h>

#include <cmath>
#include <cstdlib>

#include "engine/core/check.h"
#include "kernels/scaled_sum/op.h"
#include "sde/config.h"
#include "tools/data/grid.h"
#include "tools/data/resize.h"
#include "tools/run/terminal_picture.h"

namespace ito::tools {
namespace {

constexpr int kSide = 4;

/// All data are one picture mu, so that p(x | mu) is Gaussian and E[x_0 | x] is mu at any time.
SampleJob one_picture(const char* sde_name, const std::string& method, const Tensor& mu) {
  sde::SdeConfig config;
  config.name = sde_name;
  SampleJob job;
  job.sde = sde::make_sde(config);
  job.pixels.centered = job.sde->centered_data();
  job.sample_shape = {kSide, kSide, 3};
  job.sampling.method = method;
  job.sampling.steps = method == "pc" ? 120 : 12;
  job.sampling.rtol = job.sampling.atol = 0.05;
  const auto sde = job.sde;
  job.score = sde::ScoreFn([sde, mu](const Tensor& x, std::span<const double> t) {
    std::vector<double> alpha, precision;
    for (const double time : t) {
      alpha.push_back(sde->alpha(time));
      precision.push_back(1 / (sde->sigma(time) * sde->sigma(time)));
    }
    const size_t per = static_cast<size_t>(x.numel() / x.size(0));
    std::vector<float> s = x.to_vector<float>();
    const auto m = mu.span<float>();
    for (size_t i = 0; i < s.size(); ++i) {
      const size_t n = t.size() == 1 ? 0 : i / per;
      s[i] = static_cast<float>((alpha[n] * m[i % per] - s[i]) * precision[n]);
    }
    return Tensor::from(s, x.shape());
  });
  return job;
}

Tensor some_picture(bool centered) {
  std::vector<float> v;
  for (int i = 0; i < kSide * kSide * 3; ++i) {
    const float unit = static_cast<float>((i * 37) % 100 + 0.3) / 101.0f;
    v.push_back(centered ? 2 * unit - 1 : unit);
  }
  return Tensor::from(v, {kSide, kSide, 3});
}

/// One side of a frame, without the margins of side_by_side.
data::Image part(const data::Image& frame, bool right) {
  constexpr int kMargin = 4;
  const int width = (frame.shape.width - 3 * kMargin) / 2;
  data::Image out{{frame.shape.height - 2 * kMargin, width, 3}, {}};
  const data::Image rgb = data::with_channels(frame, 3);
  const int left = kMargin + (right ? width + kMargin : 0);
  for (int y = kMargin; y < frame.shape.height - kMargin; ++y) {
    const auto* from =
        rgb.bytes.data() + 3 * (size_t(y) * size_t(frame.shape.width) + size_t(left));
    out.bytes.insert(out.bytes.end(), from, from + 3 * width);
  }
  return out;
}

int largest_difference(const data::Image& a, const data::Image& b) {
  EXPECT_EQ(a.shape, b.shape);
  int most = 0;
  for (size_t i = 0; i < a.bytes.size(); ++i) {
    most = std::max(most, std::abs(int(a.bytes[i]) - int(b.bytes[i])));
  }
  return most;
}

TEST(Animation, RightSideIsTheEstimateAtTheTimeOfTheState) {
  for (const char* sde_name : {"vp", "ve"}) {
    for (const char* method : {"pc", "ode", "adaptive", "edm", "dpm_solver", "stochastic_heun"}) {
      SCOPED_TRACE(std::string(sde_name) + " " + method);
      const bool centered = std::string(sde_name) == "vp";
      const Tensor mu = some_picture(centered);
      SampleJob job = one_picture(sde_name, method, mu);
      if (std::string(method) == "pc") job.sampling.corrector = "langevin";
      const std::vector<data::Image> frames = trajectory_frames(job, {5}, 6);
      ASSERT_GE(frames.size(), 3u);
      ASSERT_LE(frames.size(), 6u);
      const data::Image clean = picture_of(mu.alias({1, kSide, kSide, 3}), {.centered = centered});
      // Float32 at sigma = 50 carries 50 * 2^-24 of absolute error: far less than a byte.
      for (const data::Image& frame : frames)
        EXPECT_LE(largest_difference(part(frame, true), clean), 1);
      EXPECT_LE(largest_difference(part(frames.back(), false), part(frames.back(), true)), 0);
      EXPECT_GE(largest_difference(part(frames.front(), false), clean), 20);
    }
  }
}

TEST(Animation, LeftSideStartsWithThePriorInTheRangeOfItsSpread) {
  const Tensor mu = some_picture(true);
  const SampleJob job = one_picture("vp", "pc", mu);
  const data::Image first = part(trajectory_frames(job, {5, 6}, 3).front(), false);
  const Tensor prior =
      samplers::prior_sample(*job.sde, job.sample_shape, {5, 6}, {.seed = job.seed});
  std::vector<float> unit = prior.to_vector<float>();
  const double t = job.sde->T(), a = job.sde->alpha(t), s = job.sde->sigma(t);
  for (float& v : unit) v = static_cast<float>(0.5 + 0.5 * v / (a + 2 * s));
  const data::Image wanted = picture_of(Tensor::from(unit, prior.shape()), {});
  EXPECT_LE(largest_difference(first, wanted), 1);
}

/// A tile of a sheet with the margins around it.
data::Image tile(const data::Image& sheet, int row, int column) {
  const int scale = magnification(kSide), step = (kSide + 2) * scale, side = (kSide + 4) * scale;
  const int channels = sheet.shape.channels;
  data::Image t{{side, side, channels}, {}};
  for (int y = 0; y < side; ++y) {
    const auto* from = sheet.bytes.data() + ((row * step + y) * sheet.shape.width + column * step) *
                                                static_cast<int64_t>(channels);
    t.bytes.insert(t.bytes.end(), from, from + side * channels);
  }
  return t;
}

TEST(Animation, SheetHoldsTheFramesOfEverySample) {
  SampleJob job = one_picture("vp", "pc", some_picture(true));
  job.sampling.steps = 12;
  constexpr int kColumns = 5;
  const auto sheet = trajectory_sheet(job, {5, 6}, kColumns);
  ASSERT_TRUE(sheet.has_value());
  const int scale = magnification(kSide);
  EXPECT_EQ(sheet->shape.width, (kColumns * (kSide + 2) + 2) * scale);
  EXPECT_EQ(sheet->shape.height, (4 * (kSide + 2) + 2) * scale);
  for (int n = 0; n < 2; ++n) {
    const std::vector<data::Image> frames = trajectory_frames(job, {5 + n}, kColumns);
    ASSERT_EQ(frames.size(), size_t{kColumns});
    for (int c = 0; c < kColumns; ++c) {
      const auto& frame = frames[static_cast<size_t>(c)];
      EXPECT_EQ(tile(*sheet, 2 * n, c).bytes, part(frame, false).bytes) << n << " " << c;
      EXPECT_EQ(tile(*sheet, 2 * n + 1, c).bytes, part(frame, true).bytes) << n << " " << c;
    }
  }
  const auto stop = [](const samplers::StepView&) { return samplers::Verdict::stop; };
  EXPECT_FALSE(trajectory_sheet(job, {5}, kColumns, stop).has_value());
}

TEST(Animation, FramesAreSpreadOverTheSteps) {
  SampleJob job = one_picture("vp", "pc", some_picture(true));
  job.sampling.steps = 12;
  EXPECT_EQ(trajectory_frames(job, {0}, 2).size(), 2u);
  EXPECT_EQ(trajectory_frames(job, {0}, 8).size(), 8u);
  EXPECT_EQ(trajectory_frames(job, {0}, 13).size(), 13u);
  EXPECT_EQ(trajectory_frames(job, {0}, 500).size(), 13u);  // one for each of 12 steps, and the end
  EXPECT_THROW(trajectory_frames(job, {0}, 1), ValueError);
  int seen = 0;
  const auto stop = [&](const samplers::StepView&) {
    return ++seen == 3 ? samplers::Verdict::stop : samplers::Verdict::go_on;
  };
  EXPECT_EQ(trajectory_frames(job, {0}, 13, stop).size(), 4u);
  EXPECT_EQ(seen, 3);
}

/// Frames and the times at which they end, by libwebp's decoder.
std::vector<std::pair<std::vector<uint8_t>, int>> decoded(const std::vector<uint8_t>& file) {
  const WebPData data{file.data(), file.size()};
  WebPAnimDecoderOptions options;
  WebPAnimDecoderOptionsInit(&options);
  options.color_mode = MODE_RGBA;
  WebPAnimDecoder* decoder = WebPAnimDecoderNew(&data, &options);
  std::vector<std::pair<std::vector<uint8_t>, int>> list;
  if (decoder == nullptr) return list;
  WebPAnimInfo info;
  WebPAnimDecoderGetInfo(decoder, &info);
  EXPECT_EQ(info.loop_count, 0u);
  uint8_t* rgba = nullptr;
  int end = 0;
  while (WebPAnimDecoderGetNext(decoder, &rgba, &end) != 0) {
    std::vector<uint8_t> rgb;
    for (size_t i = 0; i < size_t(info.canvas_width) * info.canvas_height; ++i) {
      rgb.insert(rgb.end(), rgba + 4 * i, rgba + 4 * i + 3);
      EXPECT_EQ(rgba[4 * i + 3], 255);
    }
    list.emplace_back(rgb, end);
  }
  WebPAnimDecoderDelete(decoder);
  return list;
}

data::Image noise(int height, int width, int channels, unsigned state) {
  data::Image image{{height, width, channels}, {}};
  for (size_t i = 0; i < image.shape.numel(); ++i) {
    state = state * 1664525u + 1013904223u;
    image.bytes.push_back(static_cast<uint8_t>(state >> 24));
  }
  return image;
}

TEST(Webp, LosslessFramesComeBackByteForByte) {
  for (const int channels : {1, 3}) {
    std::vector<data::Image> frames;
    for (unsigned i = 0; i < 5; ++i) frames.push_back(noise(13, 9, channels, i));
    const auto back = decoded(encode_webp(frames, {.frame_ms = 50, .last_ms = 700}));
    ASSERT_EQ(back.size(), 5u);
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(back[i].first, data::with_channels(frames[i], 3).bytes);
      EXPECT_EQ(back[i].second, i < 4 ? 50 * int(i + 1) : 900);
    }
    EXPECT_EQ(encode_webp(frames), encode_webp(frames));
  }
}

TEST(Webp, LossyFramesAreNear) {
  data::Image image{{64, 48, 3}, {}};
  for (size_t i = 0; i < image.shape.numel(); ++i) {
    image.bytes.push_back(static_cast<uint8_t>(i / 144 * 3));  // rows from black to grey
  }
  data::Image inverted = image;
  for (uint8_t& v : inverted.bytes) v = static_cast<uint8_t>(255 - v);
  const auto back = decoded(encode_webp({image, inverted}, {.coding = WebpOptions::Coding::lossy}));
  ASSERT_EQ(back.size(), 2u);
  EXPECT_LE(largest_difference({image.shape, back[0].first}, image), 6);
}

TEST(Webp, RefusesWhatIsNoMovingPicture) {
  EXPECT_THROW(encode_webp({}), ValueError);
  EXPECT_THROW(encode_webp({noise(2, 3, 3, 0), noise(3, 2, 3, 0)}), ValueError);
  EXPECT_THROW(encode_webp({data::Image{{1, 20'000, 1}, std::vector<uint8_t>(20'000)}}),
               ValueError);
}

TEST(TerminalPicture, HalfBlocksCarryTwoPixels) {
  const data::Image image{{3, 2, 3}, {1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 8, 9, 10, 11, 12}};
  const std::string block = "\xe2\x96\x80";
  EXPECT_EQ(terminal_picture(image, {.columns = 2, .colours = Terminal::Colours::rgb}),
            "\x1b[38;2;1;2;3m\x1b[48;2;4;5;6m" + block + block + "\x1b[0m\n" + "\x1b[38;2;7;8;9m" +
                block + "\x1b[38;2;10;11;12m" + block + "\x1b[0m\n");
}

TEST(TerminalPicture, CharactersGoFromDarkToBright) {
  const data::Image image{{2, 4, 1}, {0, 128, 255, 255, 0, 128, 255, 0}};
  EXPECT_EQ(terminal_picture(image, {.columns = 80}), " +@=\n");
  EXPECT_EQ(terminal_picture({{1, 1, 3}, {255, 255, 255}}, {.columns = 80}), "@\n");
}

TEST(TerminalPicture, FitsTheWidth) {
  const data::Image wide{{20, 100, 1}, std::vector<uint8_t>(2000, 255)};
  EXPECT_EQ(terminal_picture(wide, {.columns = 10}), "@@@@@@@@@@\n");
  EXPECT_EQ(terminal_picture(wide, {.columns = 1}), "@\n");
  EXPECT_THROW(terminal_picture(wide, {.columns = 0}), ValueError);
  EXPECT_THROW(terminal_picture({}, {.columns = 10}), ValueError);
}

TEST(TerminalPicture, NoColoursWithoutATerminal) {
  const int null = open("/dev/null", O_WRONLY);
  setenv("COLUMNS", "33", 1);
  const Terminal terminal = terminal_behind(null);
  EXPECT_EQ(terminal.columns, 33);
  EXPECT_EQ(terminal.colours, Terminal::Colours::none);
  for (const char* bad : {"", "-3", "x", "0"}) {
    setenv("COLUMNS", bad, 1);
    EXPECT_EQ(terminal_behind(null).columns, 80) << bad;
  }
  unsetenv("COLUMNS");
  close(null);
}

TEST(TerminalPicture, AsksTheTerminal) {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0) GTEST_SKIP() << "no pseudo-terminals here";
  ASSERT_EQ(grantpt(terminal), 0);
  ASSERT_EQ(unlockpt(terminal), 0);
  const int inside = open(ptsname(terminal), O_RDWR | O_NOCTTY);
  ASSERT_GE(inside, 0);
  const winsize size{.ws_row = 24, .ws_col = 57};
  ASSERT_EQ(ioctl(inside, TIOCSWINSZ, &size), 0);
  setenv("TERM", "xterm", 1);
  unsetenv("NO_COLOR");
  EXPECT_EQ(terminal_behind(inside).columns, 57);
  EXPECT_EQ(terminal_behind(inside).colours, Terminal::Colours::rgb);
  setenv("NO_COLOR", "1", 1);
  EXPECT_EQ(terminal_behind(inside).colours, Terminal::Colours::none);
  setenv("NO_COLOR", "", 1);
  EXPECT_EQ(terminal_behind(inside).colours, Terminal::Colours::rgb);
  setenv("TERM", "dumb", 1);
  EXPECT_EQ(terminal_behind(inside).colours, Terminal::Colours::none);
  close(inside);
  close(terminal);
}

}  // namespace
}  // namespace ito::tools
