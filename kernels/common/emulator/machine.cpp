// Blocks, threads and barriers: the scheduler of the emulator.
#include "kernels/common/emulator/machine.h"

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>

#include "kernels/common/emulator/emulator.h"
#include "kernels/common/emulator/fiber.h"
#include "kernels/common/emulator/race.h"
#include "kernels/common/emulator/scheduler.h"

namespace ito::gpu::emu {

Thread* current_thread = nullptr;
GridPosition grid_position;

namespace {

constexpr unsigned kMaxThreads = 1024;
constexpr std::size_t kSharedAlignment = 128;
constexpr int kInvalidConfiguration = 9;  // as cudaErrorInvalidConfiguration
constexpr int kOutOfMemory = 2;           // as cudaErrorMemoryAllocation
constexpr int kLaunchFailure = 719;       // as cudaErrorLaunchFailure

#ifdef ITO_EMULATE_ASAN
constexpr bool kAddressSanitizer = true;
#else
constexpr bool kAddressSanitizer = false;
#endif
// AddressSanitizer has its own red zone behind the dynamic shared memory.
constexpr std::size_t kCanaryBytes = kAddressSanitizer ? 0 : 128;
constexpr unsigned char kCanary = 0xA5, kPoison = 0xFF;

struct Abandoned {};  // thrown through the threads of a failed launch, to unwind them

struct Warp {
  unsigned arrived = 0;
  WarpOp op = WarpOp::none;
  unsigned side = 0;  // two sets of slots: a fast lane may be one exchange ahead
  std::array<Slots, 2> slots;
  std::array<Thread*, kWarpLanes> waiting;
};

std::uint64_t splitmix(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

void run_fiber();

struct Machine {
  std::mutex turn;
  std::atomic<std::thread::id> owner;

  const Launch* launch = nullptr;
  bool shuffled = false;
  std::uint64_t random = 0;
  unsigned char* shared = nullptr;
  const char* host_frame = nullptr;

  std::vector<Thread> threads;
  std::vector<Warp> warps;
  unsigned count = 0;            // threads of the block
  unsigned live = 0;             // not finished
  std::vector<unsigned> order;   // in which threads start
  unsigned started = 0;          // how many of `order` have
  std::vector<Thread*> ready;    // suspended, may continue; the last one is next
  std::vector<Thread*> waiting;  // at the block barrier

  Fiber host;  // the caller of run_grid runs threads too, so that simple kernels never switch
  Fiber* running = &host;
  FiberPool pool{kMaxThreads + 1, run_fiber};
  Thread* assigned = nullptr;  // what a fiber starts with

  bool failed = false;
  std::string message;
};

Machine& machine() {
  static Machine instance;
  return instance;
}

Stats& mutable_stats() {
  static Stats instance;
  return instance;
}

std::string position(const Thread* thread) {
  const uint3& b = grid_position.block_index;
  char text[160];
  int n = std::snprintf(text, sizeof text, ", block (%u,%u,%u)", b.x, b.y, b.z);
  if (thread) {
    const uint3& t = thread->index;
    std::snprintf(text + n, sizeof text - static_cast<std::size_t>(n), ", thread (%u,%u,%u)", t.x,
                  t.y, t.z);
  }
  return std::string("kernel ") + kernel_name(machine().launch->kernel) + text + ": ";
}

/// Marks the launch as failed; every suspended thread becomes ready, to be unwound.
void record_failure(const std::string& text) {
  Machine& m = machine();
  if (m.failed) return;
  m.failed = true;
  m.message = text;
  m.ready.clear();
  for (Thread& thread : m.threads) {
    if (thread.fiber) m.ready.push_back(&thread);
  }
}

const char* op_name(WarpOp op) {
  switch (op) {
    case WarpOp::none:
      return "nothing";
    case WarpOp::barrier:
      return "__syncwarp";
    case WarpOp::shuffle:
      return "a shuffle";
    case WarpOp::mma_bf16:
      return "mma_bf16_16816";
    case WarpOp::mma_tf32:
      return "mma_tf32_1688";
    case WarpOp::ldmatrix:
      return "ldmatrix_x4";
    case WarpOp::ldmatrix_trans:
      return "ldmatrix_x4_trans";
  }
  return "";
}

/// All threads that are not finished wait: tells for what, and how many came.
void report_deadlock() {
  Machine& m = machine();
  std::string text = position(nullptr);
  const auto of = [](std::size_t arrived, unsigned expected, const char* what) {
    return std::to_string(arrived) + " of " + std::to_string(expected) + what;
  };
  if (!m.waiting.empty()) {
    text += "__syncthreads reached by " + of(m.waiting.size(), m.count, " threads; ");
  }
  for (std::size_t w = 0; w < m.warps.size(); ++w) {
    if (m.warps[w].arrived == 0) continue;
    text += std::string(op_name(m.warps[w].op)) + " of warp " + std::to_string(w) + " reached by " +
            of(m.warps[w].arrived, kWarpLanes, " lanes; ");
  }
  record_failure(text + std::to_string(m.count - m.live) + " threads have ended");
}

/// The thread to run next, taken off its list; null when none can. One without a fiber is new.
Thread* next_thread() {
  Machine& m = machine();
  const std::size_t fresh = m.failed ? 0 : m.count - m.started;
  if (m.ready.empty() && fresh == 0) return nullptr;
  bool resume = !m.ready.empty();
  if (m.shuffled) {
    const std::size_t pick = splitmix(m.random) % (m.ready.size() + fresh);
    resume = pick < m.ready.size();
    if (resume) std::swap(m.ready[pick], m.ready.back());
  }
  if (!resume) return &m.threads[m.order[m.started++]];
  Thread* thread = m.ready.back();
  m.ready.pop_back();
  return thread;
}

Thread* next_thread_or_deadlock() {
  Thread* thread = next_thread();
  if (!thread && machine().live > 0 && !machine().failed) {
    report_deadlock();
    thread = next_thread();
  }
  return thread;
}

void go(Fiber& to) {
  Machine& m = machine();
  Fiber& from = *m.running;
  m.running = &to;
  ++mutable_stats().switches;
  switch_to(from, to);
}

/// Runs a new thread from start to end on the current fiber (which may be suspended in between).
void run_thread(Thread& thread) {
  Machine& m = machine();
  current_thread = &thread;
  try {
    m.launch->run(m.launch->context);
    if (!thread.copies.empty()) {
      fail("ended with %zu cp_async16 copies never waited for", thread.copies.size());
    }
  } catch (const Abandoned&) {
    thread.copies.clear();
  } catch (const std::bad_alloc&) {
    record_failure(position(&thread) + "the emulator has no memory");
  }
  current_thread = nullptr;
  thread.finished = true;
  --m.live;
}

/// What a pooled fiber does for ever: its assigned thread, then others that have not started; then
/// it goes back to the pool and continues a suspended one, or the host when the block is done.
void run_fiber() {
  entered_fiber();
  Machine& m = machine();
  for (;;) {
    run_thread(*std::exchange(m.assigned, nullptr));
    Thread* next = next_thread_or_deadlock();
    while (next && !next->fiber) {
      run_thread(*next);
      next = next_thread_or_deadlock();
    }
    m.pool.release(*m.running);
    go(next ? *next->fiber : m.host);
  }
}

/// Suspends the running thread, which stands on some list or is `ready`, until it is resumed.
void suspend() {
  Machine& m = machine();
  Thread& self = *current_thread;
  self.fiber = m.running;
  Thread* next = next_thread_or_deadlock();
  if (next != &self) {
    if (next->fiber) {
      go(*next->fiber);
    } else {
      m.assigned = next;
      go(m.pool.acquire());
    }
  }
  self.fiber = nullptr;
  current_thread = &self;
  if (m.failed) throw Abandoned{};
}

/// Makes `count` threads ready, the first of them to run first. The caller, which came last, goes
/// on at once, unless the order is random.
void wake(Thread* const* sleepers, std::size_t count) {
  Machine& m = machine();
  while (count > 0) m.ready.push_back(sleepers[--count]);
  if (!m.shuffled) return;
  m.ready.push_back(current_thread);
  suspend();
}

void prepare_threads(const dim3& block) {
  Machine& m = machine();
  m.count = block.x * block.y * block.z;
  m.waiting.clear();
  m.threads.assign(m.count, Thread{});
  m.warps.assign((m.count + kWarpLanes - 1) / kWarpLanes, Warp{});
  m.order.resize(m.count);
  for (unsigned i = 0; i < m.count; ++i) {
    Thread& thread = m.threads[i];
    thread.index = {i % block.x, i / block.x % block.y, i / block.x / block.y};
    thread.linear = i;
    thread.lane = i % kWarpLanes;
    thread.warp = i / kWarpLanes;
    m.order[i] = i;
  }
}

template <class T>
void shuffle_values(std::vector<T>& values) {
  for (std::size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[splitmix(machine().random) % i]);
  }
}

void check_canary() {
  const Machine& m = machine();
  const std::size_t bytes = m.launch->shared_bytes;
  for (std::size_t i = 0; m.shared && i < kCanaryBytes; ++i) {
    if (m.shared[bytes + i] == kCanary) continue;
    record_failure(position(nullptr) + "wrote to byte " + std::to_string(bytes + i) + " of " +
                   std::to_string(bytes) + " bytes of dynamic shared memory");
    return;
  }
}

void run_block(std::uint64_t block) {
  Machine& m = machine();
  const dim3& grid = grid_position.grid;
  grid_position.block_index = {static_cast<unsigned>(block % grid.x),
                               static_cast<unsigned>(block / grid.x % grid.y),
                               static_cast<unsigned>(block / grid.x / grid.y)};
  if (m.shared && config().poison) std::memset(m.shared, kPoison, m.launch->shared_bytes);
  for (Thread& thread : m.threads) {
    thread.finished = false;
    thread.groups = 0;
  }
  if (m.shuffled) shuffle_values(m.order);
  m.live = m.count;
  m.started = 0;
  race::begin_block();
  while (Thread* next = next_thread_or_deadlock()) {
    if (next->fiber) {
      go(*next->fiber);
    } else {
      run_thread(*next);
    }
  }
  check_canary();
}

void run_blocks() {
  Machine& m = machine();
  const dim3& grid = grid_position.grid;
  const std::uint64_t blocks = std::uint64_t{grid.x} * grid.y * grid.z;
  constexpr std::uint64_t kLongestShuffle = 1u << 20;
  std::vector<unsigned> order;
  if (m.shuffled && blocks <= kLongestShuffle) {
    for (unsigned i = 0; i < blocks; ++i) order.push_back(i);
    shuffle_values(order);
  }
  for (std::uint64_t i = 0; i < blocks && !m.failed; ++i) run_block(order.empty() ? i : order[i]);
}

const char* launch_error(const Launch& l) {
  const std::uint64_t threads = std::uint64_t{l.block.x} * l.block.y * l.block.z;
  if (threads == 0 || l.grid.x == 0 || l.grid.y == 0 || l.grid.z == 0) return "empty grid or block";
  if (threads > kMaxThreads || l.block.z > 64)
    return "more than 1024 threads, or 64 in z, per block";
  if (l.grid.x > 0x7FFFFFFFu || l.grid.y > 65535 || l.grid.z > 65535) return "grid too large";
  if (l.shared_bytes > kMaxSharedBytes) return "more than 227 KiB of shared memory per block";
  return nullptr;
}

Status run_locked(const Launch& launch) {
  Machine& m = machine();
  m.launch = &launch;
  m.failed = false;
  m.shuffled = config().seed != 0;
  m.random = config().seed;
  m.host_frame = static_cast<const char*>(__builtin_frame_address(0));
  grid_position.grid = launch.grid;
  grid_position.block = launch.block;
  prepare_threads(launch.block);
  constexpr std::align_val_t kAlignment{kSharedAlignment};
  const std::size_t bytes = launch.shared_bytes;
  m.shared = nullptr;
  if (bytes > 0) {
    m.shared = static_cast<unsigned char*>(::operator new(bytes + kCanaryBytes, kAlignment));
    std::memset(m.shared + bytes, kCanary, kCanaryBytes);
  }
  race::begin_launch(m.shared, bytes);
  run_blocks();
  if (m.shared) ::operator delete(m.shared, kAlignment);
  if (!m.failed) return {};
  static thread_local std::string last_message;
  last_message = m.message;
  return {kLaunchFailure, last_message.c_str()};
}

/// The right to run a launch, which one host thread has at a time.
class Turn {
 public:
  Turn() : lock_(machine().turn) { machine().owner = std::this_thread::get_id(); }
  ~Turn() { machine().owner = std::thread::id(); }

 private:
  std::lock_guard<std::mutex> lock_;
};

std::string formatted(const char* format, std::va_list list) {
  char text[256];
  std::vsnprintf(text, sizeof text, format, list);
  return position(current_thread) + text;
}

}  // namespace

Status run_grid(const Launch& launch) {
  try {
    if (machine().owner == std::this_thread::get_id()) {
      return {kInvalidConfiguration, "a kernel of the emulator launched another one"};
    }
    const Turn turn;
    ++mutable_stats().launches;
    if (const char* error = launch_error(launch)) return {kInvalidConfiguration, error};
    return run_locked(launch);
  } catch (const std::bad_alloc&) {
    return {kOutOfMemory, "the emulator has no memory"};
  }
}

void fail(const char* format, ...) {
  std::va_list list;
  va_start(list, format);
  const std::string text = formatted(format, list);
  va_end(list);
  record_failure(text);
  throw Abandoned{};
}

void fail_misaligned(const void* address) {
  fail("misaligned access: %p is no multiple of 16 bytes", address);
}

void report_race(const char* format, ...) {
  constexpr std::size_t kMostReports = 32;
  Stats& s = mutable_stats();
  if (++s.races > kMostReports) return;
  std::va_list list;
  va_start(list, format);
  s.race_reports.push_back(formatted(format, list));
  va_end(list);
}

bool on_kernel_stack(const void* address) {
  constexpr std::ptrdiff_t kHostStackBytes = 1 << 20;
  const Machine& m = machine();
  const std::ptrdiff_t below = m.host_frame - static_cast<const char*>(address);
  return m.pool.contains(address) || (below > 0 && below < kHostStackBytes);
}

void* dynamic_shared_memory() {
  void* shared = machine().shared;
  if (!shared) fail("uses dynamic shared memory, but was launched with 0 bytes");
  return shared;
}

void block_barrier() {
  Machine& m = machine();
  if (m.waiting.size() + 1 < m.count) {
    m.waiting.push_back(current_thread);
    suspend();
    return;
  }
  race::block_barrier();
  const std::vector<Thread*> sleepers = std::exchange(m.waiting, {});
  wake(sleepers.data(), sleepers.size());
}

const Slots& exchange(WarpOp op, const void* mine, std::size_t bytes, void (*combine)(Slots&)) {
  Thread& self = *current_thread;
  Warp& warp = machine().warps[self.warp];
  if (warp.arrived > 0 && warp.op != op) {
    fail("lanes of warp %u disagree: %s and %s", self.warp, op_name(warp.op), op_name(op));
  }
  warp.op = op;
  Slots& slots = warp.slots[warp.side];
  if (bytes > 0) std::memcpy(slots[self.lane].bytes, mine, bytes);
  if (warp.arrived + 1 < kWarpLanes) {
    warp.waiting[warp.arrived++] = &self;
    suspend();
    return slots;
  }
  if (combine) combine(slots);
  if (op == WarpOp::barrier) race::warp_barrier(self.warp);
  const std::array<Thread*, kWarpLanes> sleepers = warp.waiting;
  warp.side ^= 1;
  warp.arrived = 0;
  wake(sleepers.data(), kWarpLanes - 1);
  return slots;
}

void global_fence() { race::fence(); }

Config environment_config() {
  Config result;
  if (const char* seed = std::getenv("ITO_EMU_SEED")) result.seed = std::strtoull(seed, nullptr, 0);
  if (const char* poison = std::getenv("ITO_EMU_POISON")) result.poison = std::atoi(poison) != 0;
  return result;
}

Config& config() {
  static Config instance = environment_config();
  return instance;
}

const Stats& stats() { return mutable_stats(); }
void reset() { mutable_stats() = Stats{}; }
bool checks_races() { return race::kEnabled; }
bool checks_addresses() { return kAddressSanitizer; }

}  // namespace ito::gpu::emu
