// A fixed-step solver of a linear SDE is a list of linear forms: every state that it evaluates the
// score at, and the state it ends with, is a sum of known tensors with coefficients that depend on
// the step alone. So a solver is written as its formulas, in fp64 on the host, and one runner does
// the work of all of them.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "engine/random/noise.h"
#include "samplers/sampler.h"

namespace ito::samplers {

/// What a step can add up: the state, the scores of its stages, its draws from N(0, I), the
/// estimate of this step and that of the step before.
enum class Term : uint8_t {
  x,
  score0,
  score1,
  score2,
  score3,
  score4,
  score5,
  noise0,
  noise1,
  estimate,
  previous
};
inline constexpr size_t kTerms = 11;
inline constexpr size_t kMostStages = 6;  // Dormand and Prince 1980
/// The score at stage `stage` < kMostStages.
constexpr Term score_term(size_t stage) {
  return static_cast<Term>(static_cast<size_t>(Term::score0) + stage);
}

/// A linear form in the terms. Built from `term` by + and * as formulas are written.
struct Form {
  std::array<double, kTerms> c{};
  constexpr double operator[](Term t) const { return c[static_cast<size_t>(t)]; }
};
constexpr Form term(Term t) {
  Form f;
  f.c[static_cast<size_t>(t)] = 1;
  return f;
}
constexpr Form operator+(const Form& a, const Form& b) {
  Form sum;
  for (size_t i = 0; i < kTerms; ++i) sum.c[i] = a.c[i] + b.c[i];
  return sum;
}
constexpr Form operator*(double k, const Form& a) {
  Form product;
  for (size_t i = 0; i < kTerms; ++i) product.c[i] = k * a.c[i];
  return product;
}
constexpr Form operator-(const Form& a, const Form& b) { return a + -1 * b; }

/// Where and when the score is evaluated.
struct Stage {
  double t;
  Form at;  ///< of x, scores of stages before, noise
};

struct SchemeStep {
  double t;                   ///< where the step starts
  std::vector<Stage> stages;  ///< one to kMostStages
  Form estimate = {};         ///< of x and scores; for multistep rules, kept for the next step
  Form next = {};             ///< the state after the step
};

struct Scheme {
  std::string name;
  std::vector<SchemeStep> steps;
  double end;  ///< time of the last state
  Purpose purpose = Purpose::predictor;
  /// Changes the estimate before it is used (dynamic thresholding).
  std::function<Tensor(const Tensor& estimate)> limit = {};
  /// Replaces the state before a step (known pixels).
  std::function<Tensor(int step, const Tensor& x)> before_step = {};
};

/// Runs the steps one after another from `x`, then denoises. noise0 of step i has the key (seed,
/// purpose, i), noise1 (seed, purpose, i + number of steps); recorded draws are taken in that order
/// at the start of each step, as many as the scheme uses. The mean of a step is `next` without its
/// noise terms. A sample depends on its global index
/// alone. On a GPU each kind of step (by its number of stages) is one recorded graph, if the score
/// can be tabulated and the noise is generated. Throws ValueError for a scheme without steps or a
/// step with too many stages, UserError(not_finite).
SampleResult run_scheme(const sde::ScoreFn& score, const sde::Sde& sde, const Scheme& scheme,
                        const Tensor& x, const std::vector<int64_t>& samples, Denoise denoise,
                        const NoiseSource& noise, const Observer& observer = {});

}  // namespace ito::samplers
