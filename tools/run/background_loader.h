// Batches made one step ahead, on a thread of their own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "engine/core/tensor.h"

namespace ito::tools {

struct Batch {
  Tensor images;  ///< [N, H, W, C] in the data range of training
  std::vector<int64_t> classes;
};

/// While the caller trains on the batch of one step, the thread makes that of the next. A batch is
/// what `make` says of its step, whoever asks for it and when, so results are those without the
/// thread. For one caller.
class BackgroundLoader {
 public:
  using MakeFn = std::function<Batch(int64_t step)>;

  /// Begins with step `first`; `last` is the first one that nobody will ask for. `make` runs on the
  /// thread only.
  BackgroundLoader(MakeFn make, int64_t first, int64_t last);
  /// Waits for the batch that is being made, if there is one.
  ~BackgroundLoader();
  BackgroundLoader(const BackgroundLoader&) = delete;
  BackgroundLoader& operator=(const BackgroundLoader&) = delete;

  /// The batch of a step; any step may be asked for, the one after the last is there soonest.
  /// Throws what `make` threw for this step; the next call may ask for it again.
  Batch at(int64_t step);
  double seconds_waited() const { return seconds_waited_; }  ///< in at(), all together

 private:
  void serve();
  void order(int64_t step);

  MakeFn make_;
  int64_t last_;
  double seconds_waited_ = 0;
  int64_t expected_;  // what was ordered last; the caller's

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::optional<int64_t> ordered_;  // not begun yet
  bool stop_ = false;
  bool ready_ = false;  // batch_ or error_ are those of the last order
  Batch batch_;
  std::exception_ptr error_;

  std::thread thread_;  // after all that it uses
};

}  // namespace ito::tools
