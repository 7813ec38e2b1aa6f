// The labels file of data sets in EDM's layout: dataset.json.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ito::data {

inline constexpr std::string_view kLabelsFile = "dataset.json";

/// Reads {"labels": [["00000/img00000000.png", 6], ...]} and calls `found` for every pair; other
/// keys are skipped. Returns false if "labels" is absent or null: no labels. Read as a stream, so
/// that memory does not depend on the text. `subject` stands in the errors.
/// Throws UserError: file_corrupt for other JSON or none, file_unknown for labels that are no class
/// numbers, and what `found` throws.
bool read_labels_file(std::span<const uint8_t> text, std::string_view subject,
                      const std::function<void(const std::string& path, int64_t label)>& found);

/// The labels of some pictures.
struct PictureLabels {
  std::vector<uint8_t> labels;  ///< one per picture, or none
  int classes = 0;              ///< one more than the largest in the whole file
};
/// The labels that the file has for the pictures `names`, in their order; none if it has no labels.
/// Throws also UserError(file_mismatch) for a picture without a label and for classes beyond 255.
PictureLabels labels_of(std::span<const std::string> names, std::span<const uint8_t> text,
                        std::string_view subject);

}  // namespace ito::data
