#include "samplers/predictors/predictor.h"

#include <string>

#include "engine/core/check.h"
#include "engine/core/nearest_name.h"

namespace ito::samplers {
namespace {

constexpr Predictor kPredictors[] = {
    {"euler_maruyama", 1, euler_maruyama},
    {"reverse_diffusion", 1, reverse_diffusion},
    {"ancestral_sampling", 1, ancestral_sampling},
    {"probability_flow", 1, probability_flow},
    {"ddim", 1, ddim},
    {"none", 0, no_predictor},
};

}  // namespace

StepCoef no_predictor(const sde::Sde&, const sde::TimeStep&, const PredictorOptions&) {
  return {.x = 1, .score = 0, .noise = 0};
}

std::span<const Predictor> predictors() { return kPredictors; }

const Predictor& predictor_by_name(std::string_view name) {
  for (const Predictor& predictor : kPredictors) {
    if (predictor.name == name) return predictor;
  }
  std::string_view names[std::size(kPredictors)];
  for (size_t i = 0; i < std::size(kPredictors); ++i) names[i] = kPredictors[i].name;
  fail(ErrorCode::bad_value, "sampling.predictor",
       "there is no predictor named '" + escaped(name) + "'", nearest_name_fix(name, names));
}

}  // namespace ito::samplers
