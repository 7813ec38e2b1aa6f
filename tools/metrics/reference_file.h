// Statistics of reference images in files, in the layouts of score_sde and EDM.
#pragma once

#include <filesystem>

#include "tools/metrics/frechet.h"

namespace ito::metrics {

/// What a file holds: features, or their mean and covariance alone.
struct Reference {
  Tensor pool;    ///< [N, d], or undefined
  Tensor logits;  ///< [N, K], or undefined
  FeatureStatistics statistics;
};

/// Reads pool_3 [N, ...] and, if it is there, logits [N, K] (score_sde), or mu [d] and sigma [d, d]
/// (EDM). Throws UserError: file_mismatch for other arrays or shapes, file_corrupt for numbers that
/// are not finite, and what NpzFile throws.
Reference read_reference(const std::filesystem::path& file);

enum class ReferenceLayout : uint8_t { score_sde, edm };

/// Writes features (score_sde) or their statistics (EDM). Throws UserError(write_failed).
void write_reference(const std::filesystem::path& file, const Reference& reference,
                     ReferenceLayout layout);

}  // namespace ito::metrics
