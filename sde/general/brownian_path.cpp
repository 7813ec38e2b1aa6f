#include "sde/general/brownian_path.h"

#include <cmath>

#include "kernels/noise/op.h"
#include "kernels/scaled_sum/op.h"
#include "kernels/unary/op.h"

namespace ito::sde {

BrownianPath::BrownianPath(BrownianConfig config) : config_(std::move(config)) {
  const BrownianConfig& c = config_;
  ITO_CHECK(c.T > 0 && std::isfinite(c.T) && !c.samples.empty(), ValueError,
            "a Brownian path has a length and samples", kv("T", c.T),
            kv("samples", c.samples.size()));
  samples_ = Tensor::from(c.samples, {static_cast<int64_t>(c.samples.size())}, c.device);
}

double BrownianPath::step(int level) const { return std::ldexp(config_.T, -level); }

/// Node 0 is W(T); node 2^l + j the midpoint of increment j of level l.
Tensor BrownianPath::noise(uint32_t node) const {
  return ops::noise(samples_, {.kind = ops::NoiseKind::normal,
                               .sample_shape = config_.sample_shape,
                               .dtype = config_.dtype,
                               .key = {config_.seed, config_.purpose, node}});
}

std::vector<Tensor> BrownianPath::increments(int level) const {
  ITO_CHECK(level >= 0 && level <= 20, ValueError, "levels are 0 to 20", kv("level", level));
  std::vector<Tensor> list = {std::sqrt(config_.T) * noise(0)};
  for (int l = 0; l < level; ++l) {
    const double half = 0.5 * std::sqrt(step(l));
    std::vector<Tensor> halves;
    for (size_t j = 0; j < list.size(); ++j) {
      const Tensor z = noise((uint32_t{1} << l) + static_cast<uint32_t>(j));
      halves.push_back(ops::scaled_sum(0.5, list[j], half, z));
      halves.push_back(ops::scaled_sum(0.5, list[j], -half, z));
    }
    list = std::move(halves);
  }
  return list;
}

}  // namespace ito::sde
