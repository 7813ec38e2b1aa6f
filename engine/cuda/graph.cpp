#include "engine/cuda/graph.h"

#include <utility>

#include "engine/core/allocator.h"
#include "engine/core/check.h"
#include "engine/core/log.h"
#include "engine/cuda/runtime.h"
#include "engine/cuda/stream.h"

namespace ito::cuda {
namespace {

/// Between begin and end of a capture; an exception in between abandons it.
class Capture {
 public:
  Capture(Device device, Stream stream) : device_(device), stream_(stream) {
    runtime_of(device).begin_capture(stream);
    detail::set_capturing(device, true);
  }
  ~Capture() {
    detail::set_capturing(device_, false);
    if (!ended_) runtime_of(device_).abandon_capture(stream_);
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  std::unique_ptr<Recording> end() {
    ended_ = true;
    return runtime_of(device_).end_capture(stream_);
  }

 private:
  const Device device_;
  const Stream stream_;
  bool ended_ = false;
};

}  // namespace

Graph::Graph(Device device, std::string name, Body body)
    : device_(device), name_(std::move(name)), body_(std::move(body)) {
  if (device.kind == DeviceKind::cpu) {
    fallback_reason_ = "the CPU has no graphs";
    next_ = Next::execute;
    return;
  }
  runtime_of(device);  // throws where there is none
  pool_ = make_pool(device);
}

Graph::~Graph() = default;

void Graph::run() {
  if (next_ == Next::execute) return body_();
  const PoolScope own_memory(device_, pool_);
  if (next_ == Next::warm_up) {
    body_();
    next_ = Next::record;
    return;
  }
  if (next_ == Next::record) record();
  if (next_ == Next::execute) return body_();
  const NoSyncScope no_sync;
  const NoAllocScope no_alloc;
  recording_->replay(current_stream(device_));
}

void Graph::invalidate() {
  if (next_ == Next::replay) next_ = Next::record;
}

int64_t Graph::nodes() const { return recording_ ? recording_->nodes() : 0; }

void Graph::record() {
  try {
    Capture capture(device_, current_stream(device_));
    body_();
    std::unique_ptr<Recording> recorded = capture.end();
    if (recording_ && recording_->update(*recorded)) {
      ++updates_;
    } else {
      recording_ = std::move(recorded);
    }
    next_ = Next::replay;
  } catch (const Error& e) {
    // A lost device stays lost; everything else can still be executed step by step.
    const auto* user = dynamic_cast<const UserError*>(&e);
    if (user != nullptr && user->code() == ErrorCode::device_fault) throw;
    fallback_reason_ = e.what();
    recording_.reset();
    next_ = Next::execute;
    log(LogLevel::warning, name_ + " runs without a graph: " + fallback_reason_);
  }
}

}  // namespace ito::cuda
