// One golden case: arrays of the reference implementation, and what they were made from.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engine/core/settings.h"
#include "engine/io/safetensors.h"

namespace ito::golden {

/// How far the reference's own fp32 array is from its fp64 evaluation.
struct ReferenceError {
  double relative = 0;          ///< relative L2; 0 where the file gives none
  bool zero_in_theory = false;  ///< the array, or the gradient behind it, is rounding alone
};

/// A case that this program cannot check, or not in this mode; `what()` is a word without spaces.
class Unknown : public Error {
 public:
  using Error::Error;
};

struct Case {
  std::string name;      ///< of the file, without extension
  std::string category;  ///< "model", "sde", ...
  std::filesystem::path file;
  SafetensorsFile arrays;
  /// "model.nf", "data.image_size", "optim.lr" from `config`; "info.N" from `info`.
  Settings settings;
  std::map<std::string, ReferenceError> reference_errors;
  /// Layer files: the options of each sub-case, from `cases`.
  std::map<std::string, Settings> options;

  bool has(const std::string& array) const { return arrays.contains(array); }
  const Tensor& at(const std::string& array) const { return arrays.at(array, file); }
  bool zero_in_theory(const std::string& array) const;
  double relative_error(const std::string& array) const;

  // Settings by key; `fallback` where the key is absent or of another type.
  double number(const std::string& key, double fallback) const;
  std::string text(const std::string& key, const std::string& fallback) const;
  bool flag(const std::string& key, bool fallback) const;
  std::vector<double> numbers(const std::string& key, const std::vector<double>& fallback) const;
};

/// Names of the sub-cases of a layer file: of its arrays NAME/ARRAY and of `cases`.
std::vector<std::string> sub_cases_of(const Case& c);
/// One of them as a case of its own, with its options as settings.
Case sub_case(const Case& c, const std::string& name);

/// Reads NAME.safetensors, and NAME.json beside it or else the metadata inside it. Values that no
/// setting can hold (nested objects, null) are left out. Throws UserError (3xx).
Case read_case(const std::filesystem::path& file);

}  // namespace ito::golden
