// Shadow memory of the race check.
//
// Barriers of whole blocks and whole warps are the only synchronisation in a block, so time is two
// counters: the block interval grows with every __syncthreads, the warp interval with every
// __syncwarp. Access A happens before a later access B if its block interval is smaller, or if both
// are in one warp and its warp interval is smaller, or if one thread made both. Counters never
// restart: what an earlier block left in the shadow is older than everything.
#include "kernels/common/emulator/race.h"

#include <link.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <unordered_map>
#include <vector>

#include "kernels/common/emulator/emulator.h"
#include "kernels/common/emulator/scheduler.h"

namespace ito::gpu::emu::race {
namespace {

constexpr std::uint32_t kSeveral = 0xFFFFFFFFu;

/// One access of a thread, or of several that are not ordered among each other.
struct Access {
  std::uint64_t block_interval = 0, warp_interval = 0;
  std::uint32_t thread = 0, warp = 0;  // kSeveral: not only this one
};

enum class Content : std::uint8_t { plain, atomic, copy_under_way };

/// The history of one byte of shared memory.
struct Cell {
  Access write, read;
  Content content = Content::plain;
};

struct Region {
  const char* begin = nullptr;
  std::size_t bytes = 0;
  const char* name = "";
  std::vector<Cell> cells;

  bool contains(const void* address) const {
    return reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(begin) <
           bytes;
  }
};

/// Who wrote each byte of a page of global memory in this launch: block + 1, or 0.
struct Page {
  static constexpr std::size_t kBytes = 4096;
  std::uint64_t launch = 0;
  std::array<std::uint32_t, kBytes> writer;
};

Region static_shared, dynamic_shared;
std::uint64_t block_interval = 0, block_begin = 0;
std::array<std::uint64_t, 32> warp_interval{};
std::unordered_map<std::uintptr_t, std::unique_ptr<Page>> pages;
std::uint64_t launch_number = 0;
bool fenced = false;

Access now() {
  const Thread& thread = *current_thread;
  return {block_interval, warp_interval[thread.warp], thread.linear, thread.warp};
}

/// Whether nothing orders `earlier` before `later`.
bool concurrent(const Access& earlier, const Access& later) {
  if (earlier.block_interval < later.block_interval) return false;
  if (earlier.warp != later.warp) return true;
  return earlier.warp_interval == later.warp_interval && earlier.thread != later.thread;
}

/// Adds a read to those of the same interval; an older read that is ordered before it is dropped.
void add_read(Access& read, const Access& access) {
  if (read.block_interval < access.block_interval) {
    read = access;
  } else if (read.warp != access.warp) {
    read.warp = read.thread = kSeveral;
  } else if (read.warp_interval < access.warp_interval) {
    read = access;
  } else if (read.thread != access.thread) {
    read.thread = kSeveral;
  }
}

unsigned long long offset_in(const Region& region, const void* address) {
  return static_cast<unsigned long long>(static_cast<const char*>(address) - region.begin);
}

/// "thread 7" or "several threads"; valid until the next call.
const char* who(const Access& access) {
  static char text[32];
  if (access.thread == kSeveral) return "several threads";
  std::snprintf(text, sizeof text, "thread %u", access.thread);
  return text;
}

void report_conflict(const Region& region, const void* address, const char* doing,
                     const Access& other, const char* did) {
  report_race("%s %s shared memory +%llu, which %s %s without a barrier in between", doing,
              region.name, offset_in(region, address), who(other), did);
}

/// Reports the first fault of an access to [address, address + bytes); false if there was one.
template <class Check>
void for_cells(Region& region, const void* address, std::size_t bytes, Check check) {
  const std::size_t first = offset_in(region, address);
  bool sound = true;
  for (std::size_t i = first; i < std::min(first + bytes, region.bytes); ++i) {
    sound = check(region.cells[i], sound);
  }
}

void read_shared(Region& region, const void* address, std::size_t bytes) {
  const Access access = now();
  for_cells(region, address, bytes, [&](Cell& cell, bool sound) {
    const char* at = region.begin + (&cell - region.cells.data());
    if (sound && cell.write.block_interval < block_begin) {
      report_race("reads %s shared memory +%llu, which this block never wrote", region.name,
                  offset_in(region, at));
      sound = false;
    } else if (sound && cell.content == Content::copy_under_way) {
      report_race("reads %s shared memory +%llu before the cp_wait of its copy", region.name,
                  offset_in(region, at));
      sound = false;
    } else if (sound && concurrent(cell.write, access)) {
      report_conflict(region, at, "reads", cell.write, "wrote");
      sound = false;
    }
    add_read(cell.read, access);
    return sound;
  });
}

void write_shared(Region& region, const void* address, std::size_t bytes, Content content) {
  const Access access = now();
  for_cells(region, address, bytes, [&](Cell& cell, bool sound) {
    const char* at = region.begin + (&cell - region.cells.data());
    const bool both_atomic = content == Content::atomic && cell.content == Content::atomic;
    if (sound && !both_atomic && concurrent(cell.write, access)) {
      report_conflict(region, at, "writes", cell.write, "wrote");
      sound = false;
    } else if (sound && concurrent(cell.read, access)) {
      report_conflict(region, at, "writes", cell.read, "read");
      sound = false;
    }
    cell.write = access;
    cell.content = content;
    return sound;
  });
}

std::uint32_t this_block() {
  const GridPosition& p = grid_position;
  return p.block_index.x + p.grid.x * (p.block_index.y + p.grid.y * p.block_index.z) + 1;
}

Page* page_of(std::uintptr_t address) {
  static std::uintptr_t last_number = 0;
  static Page* last = nullptr;
  const std::uintptr_t number = address / Page::kBytes;
  if (!last || number != last_number) {
    std::unique_ptr<Page>& page = pages[number];
    if (!page) page = std::make_unique<Page>();
    last = page.get();
    last_number = number;
  }
  if (last->launch != launch_number) {
    last->launch = launch_number;
    last->writer.fill(0);
  }
  return last;
}

enum class Direction { read, write };

void access_global(const void* address, std::size_t bytes, Direction direction) {
  const auto first = reinterpret_cast<std::uintptr_t>(address);
  const std::uint32_t block = this_block();
  bool sound = true;
  for (std::uintptr_t at = first; at < first + bytes; ++at) {
    std::uint32_t& writer = page_of(at)->writer[at % Page::kBytes];
    const bool foreign = writer != 0 && writer != block;
    if (direction == Direction::write) {
      if (foreign && sound) {
        report_race("writes global memory %p, which block %u of this launch wrote", address,
                    writer - 1);
      }
      sound = sound && !foreign;
      writer = block;
    } else if (foreign && sound && !fenced) {
      report_race("reads global memory %p, which block %u of this launch wrote", address,
                  writer - 1);
      sound = false;
    }
  }
}

/// Static shared memory is thread-local in this build: the block of the program in this thread.
void find_static_shared() {
  const auto find = [](dl_phdr_info* info, std::size_t, void*) {
    for (int i = 0; i < info->dlpi_phnum; ++i) {
      const auto& header = info->dlpi_phdr[i];
      if (header.p_type != PT_TLS || !info->dlpi_tls_data) continue;
      static_shared.begin = static_cast<const char*>(info->dlpi_tls_data);
      static_shared.bytes = header.p_memsz;
    }
    return 1;  // the first object is the program itself
  };
  static_shared.bytes = 0;
  static_shared.name = "static";
  dl_iterate_phdr(find, nullptr);
  static_shared.cells.resize(static_shared.bytes);
}

Region* shared_region(const void* address) {
  if (dynamic_shared.contains(address)) return &dynamic_shared;
  if (static_shared.contains(address)) return &static_shared;
  return nullptr;
}

bool ignored(const void* address) { return !current_thread || on_kernel_stack(address); }

}  // namespace

void begin_launch(const void* shared, std::size_t bytes) {
  ++launch_number;
  find_static_shared();
  dynamic_shared.begin = static_cast<const char*>(shared);
  dynamic_shared.bytes = bytes;
  dynamic_shared.name = "dynamic";
  dynamic_shared.cells.assign(bytes, Cell{});
}

void begin_block() {
  block_begin = ++block_interval;
  fenced = false;
}

void block_barrier() { ++block_interval; }
void warp_barrier(unsigned warp) { ++warp_interval[warp]; }
void fence() { fenced = true; }

void read(const void* address, std::size_t bytes) {
  if (ignored(address)) return;
  if (Region* region = shared_region(address)) {
    read_shared(*region, address, bytes);
  } else {
    access_global(address, bytes, Direction::read);
  }
}

void write(const void* address, std::size_t bytes) {
  if (ignored(address)) return;
  if (Region* region = shared_region(address)) {
    write_shared(*region, address, bytes, Content::plain);
  } else {
    access_global(address, bytes, Direction::write);
  }
}

void atomic(const void* address, std::size_t bytes) {
  if (ignored(address)) return;
  Region* region = shared_region(address);
  if (region) write_shared(*region, address, bytes, Content::atomic);
}

void begin_copy(const void* address, std::size_t bytes) {
  if (ignored(address)) return;
  if (Region* region = shared_region(address)) {
    write_shared(*region, address, bytes, Content::copy_under_way);
  } else {
    fail("cp_async16 to %p, which is not shared memory", address);
  }
}

}  // namespace ito::gpu::emu::race
