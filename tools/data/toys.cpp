#include "tools/data/toys.h"

#include <array>
#include <cmath>
#include <numbers>

#include "engine/core/check.h"
#include "engine/random/noise.h"

namespace ito::data {

namespace {

constexpr float kPi = std::numbers::pi_v<float>;

/// The random numbers of one point: uniforms u in [0, 1) and unit normals z, all independent.
struct Draw {
  std::array<float, 4> u;
  std::array<float, 4> z;
};

struct Point {
  float x, y;
  int label;
};

Point rotated(float x, float y, float angle, int label) {
  const float c = std::cos(angle), s = std::sin(angle);
  return {c * x - s * y, s * x + c * y, label};
}

int pick(float u, int count) { return int(u * float(count)); }

Point swiss_roll(const Draw& d) {
  const float angle = 1.5f * kPi * (1 + 2 * d.u[0]);
  // E r^2 = mean of angle^2 = 9.75 pi^2 over both axes, plus the noise.
  constexpr float kNoise = 0.4f, kScale = 0.144f;
  return {kScale * (angle * std::cos(angle) + kNoise * d.z[0]),
          kScale * (angle * std::sin(angle) + kNoise * d.z[1]), 0};
}

Point two_moons(const Draw& d) {
  const int moon = pick(d.u[0], 2);
  const float angle = kPi * d.u[1], turn = moon == 0 ? 1.0f : -1.0f;
  // The moons are point reflections of one another about (1/2, 1/4), which becomes the origin.
  constexpr float kNoise = 0.07f, kScale = 1.41f;
  return {kScale * (turn * (std::cos(angle) - 0.5f) + kNoise * d.z[0]),
          kScale * (turn * (std::sin(angle) - 0.25f) + kNoise * d.z[1]), moon};
}

Point checkerboard(const Draw& d) {
  const int square = pick(d.u[0], 8), row = square / 2;
  const int column = 2 * (square % 2) + row % 2;
  // Uniform on [-2, 2] has variance 4/3.
  constexpr float kScale = 0.8660254f;
  return {kScale * (float(column) - 2 + d.u[1]), kScale * (float(row) - 2 + d.u[2]), 0};
}

Point gaussians8(const Draw& d) {
  const int mode = pick(d.u[0], 8);
  const float angle = float(mode) * kPi / 4;
  // Per axis: radius^2 / 2 + deviation^2 = 1.
  constexpr float kDeviation = 0.14f, kRadius = 1.400286f;
  return {kRadius * std::cos(angle) + kDeviation * d.z[0],
          kRadius * std::sin(angle) + kDeviation * d.z[1], mode};
}

Point pinwheel(const Draw& d) {
  const int arm = pick(d.u[0], 5);
  const float along = 1 + 0.3f * d.z[0], across = 0.05f * d.z[1];
  constexpr float kScale = 1.353f;  // 1 / sqrt((1 + 0.3^2 + 0.05^2) / 2)
  return rotated(kScale * along, kScale * across,
                 float(arm) * 2 * kPi / 5 + 0.25f * std::exp(along), arm);
}

Point spiral(const Draw& d) {
  const int arm = pick(d.u[0], 2);
  // Uniform density along the area: radius ~ sqrt(u); three half turns.
  const float angle = 3 * kPi * std::sqrt(d.u[1]);
  constexpr float kNoise = 0.25f, kScale = 0.212f;
  return rotated(kScale * (angle + kNoise * d.z[0]), kScale * kNoise * d.z[1],
                 angle + float(arm) * kPi, arm);
}

struct Toy {
  std::string_view name;
  Point (*draw)(const Draw&);
  int classes;
};

constexpr Toy kToys[] = {{"swiss_roll", swiss_roll, 0},     {"two_moons", two_moons, 2},
                         {"checkerboard", checkerboard, 0}, {"gaussians8", gaussians8, 8},
                         {"pinwheel", pinwheel, 5},         {"spiral", spiral, 2}};

const Toy& toy_named(std::string_view name) {
  for (const Toy& toy : kToys) {
    if (toy.name == name) return toy;
  }
  throw ValueError(detail::rule_text("the toy distribution must exist", kv("name", name)));
}

}  // namespace

Dataset::Content make_toy(std::string_view name, uint64_t seed, int count) {
  const Toy& toy = toy_named(name);
  Dataset::Content content;
  content.shape = {1, 1, 2};
  content.classes = toy.classes;
  const NoiseKey key{seed, Purpose::data, 0};
  for (uint32_t i = 0; i < uint32_t(count); ++i) {
    Draw draw;
    // Elements 0-3 are the uniforms and 4-7 the normals: equal elements would share their bits.
    fill_uniform(draw.u, key, i, 0);
    fill_normal(draw.z, key, i, 4);
    const Point point = toy.draw(draw);
    content.points.push_back(point.x);
    content.points.push_back(point.y);
    if (toy.classes > 0) content.labels.push_back(uint8_t(point.label));
  }
  return content;
}

}  // namespace ito::data
