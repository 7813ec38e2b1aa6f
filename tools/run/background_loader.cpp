#include "tools/run/background_loader.h"

#include <chrono>
#include <utility>

namespace ito::tools {
namespace {

constexpr int64_t kNothing = -1;

}  // namespace

BackgroundLoader::BackgroundLoader(MakeFn make, int64_t first, int64_t last)
    : make_(std::move(make)), last_(last), expected_(kNothing) {
  if (first < last_) order(first);
  thread_ = std::thread([this] { serve(); });
}

BackgroundLoader::~BackgroundLoader() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void BackgroundLoader::order(int64_t step) {
  {
    const std::lock_guard lock(mutex_);
    ordered_ = step;
    ready_ = false;
  }
  expected_ = step;
  changed_.notify_all();
}

Batch BackgroundLoader::at(int64_t step) {
  if (expected_ != step) order(step);
  const auto began = std::chrono::steady_clock::now();
  Batch batch;
  std::exception_ptr error;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ready_; });
    ready_ = false;
    batch = std::move(batch_);
    error = std::exchange(error_, nullptr);
  }
  seconds_waited_ +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  expected_ = kNothing;
  if (error) std::rethrow_exception(error);
  if (step + 1 < last_) order(step + 1);
  return batch;
}

void BackgroundLoader::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stop_ || ordered_; });
    if (stop_) return;
    const int64_t step = *std::exchange(ordered_, std::nullopt);
    lock.unlock();
    Batch batch;
    std::exception_ptr error;
    try {
      batch = make_(step);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (ordered_) continue;  // somebody has asked for another step meanwhile
    batch_ = std::move(batch);
    error_ = std::move(error);
    ready_ = true;
    changed_.notify_all();
  }
}

}  // namespace ito::tools
