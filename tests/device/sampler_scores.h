// Scores that samplers are tried with on devices: small, and all of them tabulated.
#pragma once

#include <filesystem>

#include "sde/config.h"
#include "sde/score.h"

namespace ito::testing {

using SdePtr = std::shared_ptr<const sde::Sde>;

inline constexpr int64_t kSize = 8;  ///< images are [N, kSize, kSize, 3]
inline constexpr double kMu = 0.4, kStd = 0.3;

/// That of data N(mu, kStd^2 I): (alpha mu - x) / (alpha^2 kStd^2 + sigma^2).
sde::ScoreFn gaussian_score(const SdePtr& sde, double mu = kMu);

/// A small NCSN++ with its progressive input, FIR filters and attention, initial weights.
sde::ScoreFn network_score(const SdePtr& sde, Device where);

/// A classifier with initial weights for three classes, in a file as training leaves it.
class ClassifierFile {
 public:
  explicit ClassifierFile(const sde::SdeConfig& noise);
  ~ClassifierFile();
  ClassifierFile(const ClassifierFile&) = delete;
  ClassifierFile& operator=(const ClassifierFile&) = delete;

  /// `score` with a guidance of such a weight that samples change visibly.
  sde::ScoreFn guided(const sde::ScoreFn& score, const sde::SdeConfig& noise,
                      const std::vector<int64_t>& samples, Device where) const;

 private:
  const std::filesystem::path file_;
};

}  // namespace ito::testing
