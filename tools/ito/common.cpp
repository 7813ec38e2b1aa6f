#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <filesystem>

#include "engine/core/check.h"
#include "engine/core/device.h"
#include "engine/core/math_mode.h"
#include "engine/core/parallel.h"
#include "engine/cuda/runtime.h"
#include "tools/ito/class_options.h"
#include "tools/ito/commands.h"

namespace ito::tools {

void CommonOptions::add_to(CLI::App& app) {
  app.add_option("--device", device,
                 "auto: a GPU if there is a usable one; cpu; cuda or cuda:1; emulated: the "
                 "CUDA kernels on the CPU, slow, for tests")
      ->capture_default_str();
  app.add_option("--threads", threads, "CPU threads; 0: all cores. Never changes results")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--math", math,
                 "exact: results independent of batch and threads; fast: vendor libraries and "
                 "algorithms chosen by timing, too")
      ->check(CLI::IsMember({"exact", "fast"}))
      ->capture_default_str();
}

namespace {

Device device_by_name(const std::string& name) {
  if (name == "cpu" || (name == "auto" && cuda::device_count() == 0)) return kCpu;
  if (name == "emulated") return kEmulated;
  Device device{DeviceKind::cuda, 0};
  if (name == "auto" || name == "cuda") return device;
  const std::string prefix = "cuda:";
  const char* end = name.data() + name.size();
  const auto [stop, error] =
      std::from_chars(name.data() + std::min(prefix.size(), name.size()), end, device.index);
  if (!name.starts_with(prefix) || error != std::errc() || stop != end || device.index < 0) {
    fail(ErrorCode::bad_value, "--device", "is \"" + name + "\"",
         "use auto, cpu, cuda, cuda:N or emulated");
  }
  return device;
}

}  // namespace

Device CommonOptions::apply() const {
  set_num_threads(threads);
  set_math_mode(math == "fast" ? MathMode::fast : MathMode::exact);
  const Device chosen = device_by_name(device);
  if (is_available(chosen)) return chosen;
  if (chosen.kind == DeviceKind::emulated) {
    fail(ErrorCode::device_unavailable, "--device emulated", "this build has no emulator",
         "configure with ITO_EMULATOR=ON, or use --device cpu");
  }
  const int gpus = cuda::device_count();
  fail(ErrorCode::device_unavailable, "--device " + device,
       gpus == 0 ? "no usable GPU: " + cuda::unavailable_reason()
                 : "the GPUs are cuda:0 to cuda:" + std::to_string(gpus - 1),
       "use --device cpu");
}

void ClassOptions::add_to(CLI::App& app) {
  app.add_option("--classifier", classifier,
                 "Run or file of a classifier that guides the samples to --class");
  app.add_option("--class", classes,
                 "Classes to draw, e.g. 3 or 0-9: sample i gets the i-th, in turn; needs a "
                 "class-conditional model or --classifier");
  app.add_option("--guidance", guidance,
                 "Weight w: s(x) + w grad log p(y|x) with --classifier (1 if not given); else "
                 "(1 + w) s(x, y) - w s(x), at twice the work (0 if not given)")
      ->check(CLI::Range(0.0, 1000.0));
}

ClassRequest ClassOptions::request() const {
  if (!classes.empty()) return {classifier, parse_ranges(classes, "--class"), guidance};
  if (classifier.empty() && !guidance) return {};
  fail(ErrorCode::bad_usage, classifier.empty() ? "--guidance" : "--classifier",
       "is given without --class", "say what to draw, e.g. --class 0-9");
}

CLI::Option* DrawOptions::add_to(CLI::App& app, const std::string& of_seed) {
  CLI::Option* list =
      app.add_option("--seeds", seeds, "Samples to draw, by number: 0-63 or 1,4,9-12");
  if (!seeds.empty()) list->capture_default_str();
  app.add_option("--seed", seed, "Base seed " + of_seed)
      ->check(CLI::Range(int64_t{0}, kMostSeed))
      ->capture_default_str();
  app.add_option("--batch", batch, "Samples computed together. Never changes results")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  return list;
}

void assign_overrides(const Fields& fields, const std::vector<std::string>& overrides,
                      std::initializer_list<std::string_view> sections) {
  std::string forms;
  for (const std::string_view section : sections) {
    forms += (forms.empty() ? "" : " or ") + std::string(section) + ".key=value";
  }
  for (const std::string& assignment : overrides) {
    const size_t equal = assignment.find('='), dot = assignment.find('.');
    const std::string_view section = std::string_view(assignment).substr(0, dot);
    if (equal == std::string::npos || std::ranges::find(sections, section) == sections.end()) {
      fail(ErrorCode::bad_usage, "--set", "\"" + assignment + "\" is not " + forms,
           "nothing else can be changed for a trained model");
    }
    fields.assign(assignment.substr(0, equal), assignment.substr(equal + 1), "--set");
  }
}

CLI::Option* add_json(CLI::App& app, bool& json) {
  return app.add_flag("--json", json, "Print one JSON object");
}

void add_overrides(CLI::App& app, std::vector<std::string>& overrides, const std::string& form) {
  app.add_option("--set", overrides, "Override one key: " + form + ". May be repeated")
      ->allow_extra_args(false);
}

std::vector<int64_t> parse_ranges(const std::string& text, const std::string& option) {
  constexpr int64_t kMost = 1'000'000;
  std::vector<int64_t> list;
  const auto bad = [&] {
    fail(ErrorCode::bad_value, option, "\"" + text + "\" is not a list of indices",
         "write numbers and ranges such as 0-63 or 1,4,9-12, below 4294967296");
  };
  const char* at = text.data();
  const char* end = at + text.size();
  const auto number = [&] {
    int64_t value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc() || value < 0 || value > 0xffffffffll) bad();
    at = next;
    return value;
  };
  while (true) {
    const int64_t first = number();
    int64_t last = first;
    if (at < end && *at == '-') {
      ++at;
      last = number();
    }
    if (last < first || last - first >= kMost - static_cast<int64_t>(list.size())) bad();
    for (int64_t i = first; i <= last; ++i) list.push_back(i);
    if (at == end) return list;
    if (*at++ != ',') bad();
  }
}

}  // namespace ito::tools
