// What the *_onednn.cpp files need to call oneDNN (2.x): one engine, a stream per thread, a guard
// that keeps the library on the calling thread, and a cache of what was set up.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <dnnl.hpp>

#include "engine/core/dtype.h"

namespace ito::onednn {

const dnnl::engine& engine();
dnnl::stream& stream();  ///< of this thread

/// Keeps OpenMP, and so oneDNN, on the calling thread while it is alive; no worker is ever started.
/// The setting is the thread's own and is put back: the host application never sees it. Needed when
/// a primitive is created as well as when it runs.
class OneThread {
 public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

template <class T>
constexpr dnnl::memory::data_type type_of() {
  return std::is_same_v<T, float> ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
}

/// The most recently used plans by key; thread-safe. A null plan is remembered too: oneDNN cannot
/// serve that key.
template <class Plan>
class PlanCache {
 public:
  using Key = std::vector<int64_t>;

  explicit PlanCache(size_t capacity) : capacity_(capacity) {}

  /// The plan of `key`, made by make() at its first use.
  template <class Make>
  std::shared_ptr<const Plan> get(const Key& key, Make&& make) {
    const std::lock_guard lock(mutex_);
    if (const auto it = index_.find(key); it != index_.end()) {
      order_.splice(order_.begin(), order_, it->second);
      return it->second->second;
    }
    order_.emplace_front(key, make());
    index_[key] = order_.begin();
    if (order_.size() > capacity_) {
      index_.erase(order_.back().first);
      order_.pop_back();
    }
    return order_.front().second;
  }

 private:
  using Entry = std::pair<Key, std::shared_ptr<const Plan>>;

  size_t capacity_;
  std::mutex mutex_;
  std::list<Entry> order_;  // most recent first
  std::map<Key, typename std::list<Entry>::iterator> index_;
};

}  // namespace ito::onednn
