// A piece of device work that is recorded once and then started as a whole: one launch instead of
// hundreds.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/core/device.h"

namespace ito {
class Allocator;
}

namespace ito::cuda {

class Recording;

/// Runs `body` again and again on a device.
///
///   Graph step(device, "PC step", [&] { x = predictor.step(x, score(x)); });
///   for (int i = 0; i < n; ++i) step.run();
///
/// The first run executes the body as it is, so that libraries are loaded and plans are chosen; the
/// second records it; each later one replays the recording. The body must therefore do the same
/// work on the same tensors every time, take what changes from device memory (a step counter that
/// it advances itself, say), and neither wait for the device nor move data from or to the host.
/// Tensors that it makes live in a pool of the graph's own: their addresses stay, so a tensor that
/// the body assigns to the outside holds the latest replay's values.
///
/// Where recording is impossible (the CPU, a body that waits) every run executes the body; the
/// reason is logged once and can be asked for.
class Graph {
 public:
  using Body = std::function<void()>;

  Graph(Device device, std::string name, Body body);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  /// Does the body's work once. Under a NoSyncScope and a NoAllocScope from the third run on.
  void run();
  /// The body would do other work now (other tensors, other constants): it is recorded anew at the
  /// next run, into the same executable where the structure allows.
  void invalidate();

  bool is_recorded() const { return recording_ != nullptr; }
  int64_t nodes() const;  ///< kernels, copies and fills of the recording; 0 without one
  int updates() const { return updates_; }  ///< recordings taken over in place
  const std::string& fallback_reason() const { return fallback_reason_; }  ///< empty: none

 private:
  enum class Next { warm_up, record, replay, execute };

  void record();

  const Device device_;
  const std::string name_;
  const Body body_;
  std::shared_ptr<Allocator> pool_;
  std::unique_ptr<Recording> recording_;
  std::string fallback_reason_;
  int updates_ = 0;
  Next next_ = Next::warm_up;
};

}  // namespace ito::cuda
