#include "engine/core/kernel_choice.h"

#include <algorithm>
#include <mutex>

namespace ito {
namespace {

struct Choices {
  std::mutex mutex;
  std::vector<KernelChoice> list;
};
Choices& choices() {
  static Choices instance;
  return instance;
}

}  // namespace

void record_kernel_choice(KernelChoice choice) {
  Choices& all = choices();
  const std::lock_guard lock(all.mutex);
  const auto same = [&](const KernelChoice& c) { return c.call == choice.call; };
  const auto found = std::find_if(all.list.begin(), all.list.end(), same);
  if (found == all.list.end()) {
    all.list.push_back(std::move(choice));
  } else {
    *found = std::move(choice);
  }
}

std::vector<KernelChoice> kernel_choices() {
  Choices& all = choices();
  const std::lock_guard lock(all.mutex);
  return all.list;
}

}  // namespace ito
