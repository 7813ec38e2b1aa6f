// What a data set is made of: statistics of its values, and files that cannot be read.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/core/check.h"
#include "tools/data/dataset.h"

namespace ito::data {

/// Over all values of one channel (coordinate, for points): images in [0, 1], points as they are.
struct ChannelStatistics {
  double mean = 0, standard_deviation = 0;  ///< of the whole set, divided by N
  double least = 0, most = 0;
};

struct Statistics {
  int64_t count = 0;
  std::vector<ChannelStatistics> channels;
  std::vector<int64_t> classes;  ///< samples of each class; empty without labels
};

/// Reads every sample. Sums of bytes are exact. Throws what reading throws.
Statistics statistics_of(const Dataset& set);

/// Reads every sample and goes on where one cannot be read.
class Survey {
 public:
  using Complaint = std::function<void(const UserError&)>;

  /// Files of pictures, as they are before they become images of one size.
  void add(const Dataset::Content& pictures, const Complaint& unreadable);
  /// Samples of a set of another kind.
  void add(const Dataset& set, const Complaint& unreadable);

  int64_t readable() const { return readable_; }
  int64_t unreadable() const { return unreadable_; }
  /// {height, width, channels} and how many pictures have them.
  const std::map<std::vector<int>, int64_t>& sizes() const { return sizes_; }
  /// Samples equal to an earlier one, by 128 bits of all their bytes: names of both, the earlier
  /// first.
  const std::vector<std::pair<std::string, std::string>>& duplicates() const { return duplicates_; }

 private:
  using Read = std::function<Image()>;
  void add(const Read& read, const std::string& name, const Complaint& unreadable);

  int64_t readable_ = 0, unreadable_ = 0;
  std::map<std::vector<int>, int64_t> sizes_;
  std::unordered_map<std::string, std::string> seen_;  // digest and the first sample with it
  std::vector<std::pair<std::string, std::string>> duplicates_;
};

}  // namespace ito::data
