#include "engine/core/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/core/check.h"

namespace ito {
namespace {

thread_local bool inside_loop = false;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// One parallel loop. Shared by the caller and the workers that joined it; a worker that wakes late
/// finds no chunk left and drops its reference.
struct Loop {
  int64_t chunks;
  void* context;
  void (*body)(void*, int64_t);
  std::atomic<int64_t> next{0};
  std::atomic<int64_t> finished{0};
  std::atomic<bool> failed{false};
  std::exception_ptr error;

  void work() {
    inside_loop = true;
    for (;;) {
      const int64_t chunk = next.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= chunks) break;
      run(chunk);
      if (finished.fetch_add(1, std::memory_order_acq_rel) + 1 == chunks) finished.notify_all();
    }
    inside_loop = false;
  }

  void run(int64_t chunk) {
    if (failed.load(std::memory_order_relaxed)) return;
    try {
      body(context, chunk);
    } catch (...) {
      if (!failed.exchange(true)) error = std::current_exception();
    }
  }

  /// Waits for chunks that other threads took: a short look, then sleep.
  void wait() {
    constexpr int kLooks = 2000;
    int64_t done = finished.load(std::memory_order_acquire);
    for (int i = 0; i < kLooks && done != chunks; ++i) {
      relax();
      done = finished.load(std::memory_order_acquire);
    }
    while (done != chunks) {
      finished.wait(done, std::memory_order_acquire);
      done = finished.load(std::memory_order_acquire);
    }
  }
};

class Pool {
 public:
  explicit Pool(int workers) {
    for (int i = 0; i < workers; ++i) threads_.emplace_back([this] { serve(); });
  }
  ~Pool() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
      generation_.fetch_add(1);
    }
    wake_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  void offer(const std::shared_ptr<Loop>& loop) {
    {
      const std::lock_guard lock(mutex_);
      loop_ = loop;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
  }

 private:
  void serve() {
    uint64_t seen = 0;
    for (;;) {
      look_for_work(seen);
      std::shared_ptr<Loop> loop;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return stop_ || generation_.load() != seen; });
        if (stop_) return;
        seen = generation_.load();
        loop = loop_;
      }
      loop->work();
    }
  }

  /// Kernels follow one another closely; a short look spares most wake-ups through the kernel.
  void look_for_work(uint64_t seen) const {
    constexpr int kLooks = 4000;
    for (int i = 0; i < kLooks; ++i) {
      if (generation_.load(std::memory_order_acquire) != seen) return;
      relax();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> generation_{0};
  bool stop_ = false;
  std::shared_ptr<Loop> loop_;
  std::vector<std::thread> threads_;
};

int default_threads() {
  if (const char* text = std::getenv("ITO_NUM_THREADS")) {
    const int count = std::atoi(text);
    if (count > 0) return count;
  }
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

std::mutex pool_mutex;
int thread_count = 0;  // 0: not chosen yet
std::shared_ptr<Pool> pool;

std::shared_ptr<Pool> current_pool() {
  const std::lock_guard lock(pool_mutex);
  if (thread_count == 0) thread_count = default_threads();
  if (!pool && thread_count > 1) pool = std::make_shared<Pool>(thread_count - 1);
  return pool;
}

}  // namespace

void set_num_threads(int count) {
  ITO_CHECK(count >= 0, ValueError, "number of threads must not be negative", kv("count", count));
  ITO_CHECK(!inside_loop, ValueError, "set_num_threads inside a parallel loop");
  std::shared_ptr<Pool> old;
  const std::lock_guard lock(pool_mutex);
  const int wanted = count == 0 ? default_threads() : count;
  if (wanted == thread_count) return;
  thread_count = wanted;
  old.swap(pool);
}

int num_threads() {
  const std::lock_guard lock(pool_mutex);
  if (thread_count == 0) thread_count = default_threads();
  return thread_count;
}

void detail::run_chunks(int64_t chunks, void* context, void (*body)(void*, int64_t)) {
  if (chunks <= 0) return;
  std::shared_ptr<Pool> workers;
  if (chunks > 1 && !inside_loop) workers = current_pool();
  if (!workers) {
    for (int64_t chunk = 0; chunk < chunks; ++chunk) body(context, chunk);
    return;
  }
  const auto loop = std::make_shared<Loop>();
  loop->chunks = chunks;
  loop->context = context;
  loop->body = body;
  workers->offer(loop);
  loop->work();
  loop->wait();
  if (loop->failed) std::rethrow_exception(loop->error);
}

}  // namespace ito
