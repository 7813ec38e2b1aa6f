#include "sde/config.h"

#include <cmath>
#include <string_view>

#include "engine/core/check.h"
#include "engine/core/nearest_name.h"
#include "sde/linear.h"
#include "sde/sub_vp.h"
#include "sde/ve.h"
#include "sde/vp.h"

namespace ito::sde {
namespace {

struct Entry {
  std::string_view name;
  std::unique_ptr<Sde> (*make)(const SdeConfig&);
};

constexpr Entry kSdes[] = {
    {"ve",
     [](const SdeConfig& c) -> std::unique_ptr<Sde> {
       return std::make_unique<Ve>(VeConfig{.sigma_min = c.sigma_min, .sigma_max = c.sigma_max});
     }},
    {"vp",
     [](const SdeConfig& c) -> std::unique_ptr<Sde> {
       return std::make_unique<Vp>(VpConfig{.beta_min = c.beta_min, .beta_max = c.beta_max});
     }},
    {"subvp",
     [](const SdeConfig& c) -> std::unique_ptr<Sde> {
       return std::make_unique<SubVp>(VpConfig{.beta_min = c.beta_min, .beta_max = c.beta_max});
     }},
    {"cosine", [](const SdeConfig&) -> std::unique_ptr<Sde> { return std::make_unique<Cosine>(); }},
};

const Entry& entry_of(std::string_view name) {
  for (const Entry& entry : kSdes) {
    if (entry.name == name) return entry;
  }
  std::string_view names[std::size(kSdes)];
  for (size_t i = 0; i < std::size(kSdes); ++i) names[i] = kSdes[i].name;
  fail(ErrorCode::bad_value, "sde.name", "there is no SDE named '" + escaped(name) + "'",
       nearest_name_fix(name, names));
}

void require(bool holds, std::string_view key, double value, std::string_view fix) {
  if (holds) return;
  fail(ErrorCode::bad_value, key, "is " + detail::number_text(value), fix);
}

}  // namespace

void SdeConfig::fields(Fields& f) {
  f.section("sde");
  f.add("name", &name, "ve, vp, subvp or cosine");
  f.add("sigma_min", &sigma_min, "VE: noise at t = 0, in data units, > 0");
  f.add("sigma_max", &sigma_max, "VE: noise at t = 1, > sigma_min");
  f.add("beta_min", &beta_min, "VP, sub-VP: beta(0), per unit of time");
  f.add("beta_max", &beta_max, "VP, sub-VP: beta(1), per unit of time");
  f.add("num_scales", &num_scales, "levels N of discrete tables and labels, >= 1");
}

void SdeConfig::validate() const {
  entry_of(name);
  require(std::isfinite(sigma_min) && sigma_min > 0, "sde.sigma_min", sigma_min,
          "use a number above 0, such as 0.01");
  require(std::isfinite(sigma_max) && sigma_max > sigma_min, "sde.sigma_max", sigma_max,
          "use a number above sde.sigma_min, such as the largest distance of two images");
  require(std::isfinite(beta_min) && beta_min >= 0, "sde.beta_min", beta_min,
          "use a number of 0 or more, such as 0.1");
  require(std::isfinite(beta_max) && beta_max > 0 && beta_max >= beta_min, "sde.beta_max", beta_max,
          "use a number above 0 that is at least sde.beta_min, such as 20");
  require(num_scales >= 1, "sde.num_scales", num_scales, "use 1 or more, such as 1000");
}

std::unique_ptr<Sde> make_sde(const SdeConfig& config) {
  config.validate();
  return entry_of(config.name).make(config);
}

}  // namespace ito::sde
