// ito data: packs, checks and describes data sets, and chooses noise scales for them.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "engine/random/noise.h"
#include "sde/general/noise_scales.h"
#include "tools/data/input_file.h"
#include "tools/data/packed.h"
#include "tools/data/recognise.h"
#include "tools/data/survey.h"
#include "tools/ito/commands.h"
#include "tools/run/interrupt.h"
#include "tools/run/json_text.h"
#include "tools/run/output_check.h"
#include "tools/run/progress.h"

namespace ito::tools {
namespace {

namespace fs = std::filesystem;
using data::Split;
using SetPointer = std::shared_ptr<const data::Dataset>;

struct DataOptions {
  data::DataConfig set{.name = "auto"};
  std::string split = "train";
  bool json = false;
};

/// Which data set, for every subcommand.
void add_set_options(CLI::App& app, DataOptions& o) {
  app.add_option("--name", o.set.name,
                 "Kind of data set: folder, zip, npz, csv, packed, mnist, cifar10, digits, ...; "
                 "auto: by what lies at --data")
      ->capture_default_str();
  app.add_option("--data", o.set.path, "Folder or file of the data set");
  app.add_option("--size", o.set.image_size,
                 "Height and width of images in pixels; 0: what the set has")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--channels", o.set.channels, "1 grey or 3 RGB; 0: what the set has")
      ->check(CLI::Range(0, 3))
      ->capture_default_str();
  app.add_option("--classes", o.set.classes, "Number of classes; 0: what the set has")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
}

SetPointer open(const DataOptions& o, Split split) { return data::open_dataset(o.set, split); }

std::string size_text(const std::vector<int>& size) {
  std::string text;
  for (const int n : size) text += (text.empty() ? "" : " x ") + std::to_string(n);
  return text;
}

std::vector<int> size_of_set(const data::Dataset& set) {
  return {set.shape().height, set.shape().width, set.shape().channels};
}

std::string where(const DataOptions& o, const data::Dataset& set) {
  return set.name() + (o.set.path.empty() ? "" : " (" + escaped(o.set.path) + ")");
}

// ito data pack

struct PackOptions : DataOptions {
  std::string out;
  std::optional<double> test_fraction;
  bool overwrite = false;
};

/// Thrown to leave the writing of a file, which is then removed.
struct Stopped {};

/// Reads the splits of a set as one run of images, train first.
class Joined {
 public:
  explicit Joined(const PackOptions& o) : train_(open(o, Split::train)) {
    if (!train_->has_bytes()) {
      fail(ErrorCode::bad_combination, "ito data pack",
           "\"" + train_->name() + "\" holds points, and packed files hold images",
           "use the points as they are");
    }
    if (!train_->held_out()) return;
    test_ = open(o, Split::test);
    if (test_->shape() == train_->shape() && test_->classes() == train_->classes()) return;
    fail(ErrorCode::file_mismatch, o.set.path,
         "has splits of other shapes or classes: " + size_text(size_of_set(*train_)) + " and " +
             size_text(size_of_set(*test_)),
         "set --size and --channels, and give both splits the same classes");
  }

  const data::Dataset& train() const { return *train_; }
  uint64_t train_size() const { return static_cast<uint64_t>(train_->size()); }
  uint64_t test_size() const { return test_ ? static_cast<uint64_t>(test_->size()) : 0; }
  uint64_t size() const { return train_size() + test_size(); }
  std::vector<uint8_t> image(uint64_t i) const { return of(i).pixels(place(i)); }
  uint8_t label(uint64_t i) const { return static_cast<uint8_t>(of(i).label(place(i))); }

 private:
  const data::Dataset& of(uint64_t i) const { return i < train_size() ? *train_ : *test_; }
  int64_t place(uint64_t i) const {
    return static_cast<int64_t>(i < train_size() ? i : i - train_size());
  }

  SetPointer train_, test_;
};

/// The order in which images are packed and the splits: those of the set, or every so-manieth image
/// held out. Without any held out, both splits are all images.
std::vector<uint64_t> arrange(const Joined& set, std::optional<double> fraction,
                              data::PackedContent& content) {
  const uint64_t count = set.size();
  std::vector<uint64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  uint64_t held_out = set.test_size();
  if (fraction) {
    const auto before = [f = *fraction](uint64_t i) {
      return static_cast<uint64_t>(std::floor(f * static_cast<double>(i) + 1e-9));
    };
    held_out = before(count);
    std::stable_partition(order.begin(), order.end(),
                          [&](uint64_t i) { return before(i + 1) == before(i); });
  }
  content.train = {0, count - held_out};
  content.test = held_out > 0 ? data::ImageRange{count - held_out, held_out} : content.train;
  return order;
}

data::PackedContent content_of(const Joined& set, const PackOptions& o, Progress& progress) {
  data::PackedContent content;
  content.name = set.train().name();
  content.shape = set.train().shape();
  content.classes = set.train().classes();
  content.count = set.size();
  const std::vector<uint64_t> order = arrange(set, o.test_fraction, content);
  if (content.classes > 0) {
    for (const uint64_t i : order) content.labels.push_back(set.label(i));
  }
  content.image = [&set, &progress, order](uint64_t i) {
    if (interrupted()) throw Stopped();
    progress.show("image " + std::to_string(i + 1) + "/" + std::to_string(order.size()));
    return set.image(order[i]);
  };
  return content;
}

int run_pack(const PackOptions& o) {
  std::error_code error;
  if (fs::exists(o.out, error) && !o.overwrite) {
    fail(ErrorCode::output_exists, o.out, "exists already", "name another file, or --overwrite");
  }
  check_output_file(o.out);
  install_interrupt_handlers();
  const Joined set(o);
  Progress progress;
  const data::PackedContent content = content_of(set, o, progress);
  data::PackedHeader h;
  try {
    h = data::write_packed(o.out, content);
  } catch (const Stopped&) {
    progress.line("stopped: " + o.out + " is not written");
    return kExitPreempted;
  }
  const std::vector<int> size = {h.shape.height, h.shape.width, h.shape.channels};
  if (o.json) {
    const Json record = {{"file", o.out},
                         {"name", h.name},
                         {"shape", size},
                         {"classes", h.classes},
                         {"train", h.train.count},
                         {"test", h.test.count},
                         {"held_out", h.train != h.test},
                         {"bytes", h.file_size}};
    print_json(record);
    return 0;
  }
  std::printf("%s: %" PRIu64 " images of %s, %d classes, %s\n", escaped(o.out).c_str(), h.count,
              size_text(size).c_str(), h.classes,
              bytes_text(static_cast<int64_t>(h.file_size)).c_str());
  if (h.train != h.test) {
    std::printf("train %" PRIu64 ", test %" PRIu64 "\n", h.train.count, h.test.count);
  } else {
    std::printf("no images held out: train and test are the same\n");
  }
  return 0;
}

// ito data check

/// What the survey could not read, told at once.
data::Survey::Complaint complain(Json& list) {
  return [&list](const UserError& e) {
    std::fprintf(stderr, "error[E%d] %s\n", static_cast<int>(e.code()), e.what());
    list.push_back({{"file", e.subject()},
                    {"error", static_cast<int>(e.code())},
                    {"fact", e.fact()},
                    {"fix", e.fix()}});
  };
}

/// Reads both splits, or the one that serves as both. Returns what kind of set it is.
std::string survey_of(const DataOptions& o, data::Survey& survey,
                      const data::Survey::Complaint& unreadable) {
  for (const Split split : {Split::train, Split::test}) {
    bool held_out = false;
    if (const auto pictures = data::open_pictures(o.set, split)) {
      survey.add(*pictures, unreadable);
      held_out = pictures->held_out;
    } else {
      const SetPointer set = open(o, split);
      if (split == Split::train && set->name() == "packed") data::check_packed(o.set.path);
      survey.add(*set, unreadable);
      held_out = set->held_out();
    }
    if (!held_out) break;
  }
  return o.set.name == "auto" ? data::recognise(o.set.path) : o.set.name;
}

void print_survey(const std::string& name, const data::Survey& survey) {
  std::printf("data set     %s\n", name.c_str());
  std::printf("readable     %" PRId64 "\n", survey.readable());
  std::printf("unreadable   %" PRId64 "\n", survey.unreadable());
  std::vector<std::pair<int64_t, std::vector<int>>> sizes;
  for (const auto& [size, count] : survey.sizes()) sizes.emplace_back(count, size);
  std::ranges::sort(sizes, std::greater<>());
  constexpr size_t kMostShown = 10;
  for (size_t i = 0; i < std::min(sizes.size(), kMostShown); ++i) {
    std::printf("size         %s: %" PRId64 "\n", size_text(sizes[i].second).c_str(),
                sizes[i].first);
  }
  if (sizes.size() > kMostShown) {
    std::printf("size         %zu more, each rarer\n", sizes.size() - kMostShown);
  }
  std::printf("duplicates   %zu\n", survey.duplicates().size());
  for (const auto& [first, second] : survey.duplicates()) {
    std::printf("duplicate    %s = %s\n", escaped(first).c_str(), escaped(second).c_str());
  }
}

int run_check(const DataOptions& o) {
  data::Survey survey;
  Json unreadable = Json::array();
  const std::string name = survey_of(o, survey, complain(unreadable));
  const int code = survey.unreadable() > 0 ? exit_code_of(ErrorCode::file_corrupt) : 0;
  if (!o.json) {
    print_survey(name, survey);
    return code;
  }
  Json record = {{"name", name}, {"readable", survey.readable()}, {"unreadable", unreadable}};
  record["sizes"] = Json::array();
  for (const auto& [size, count] : survey.sizes()) {
    record["sizes"].push_back({{"shape", size}, {"count", count}});
  }
  record["duplicates"] = Json::array();
  for (const auto& [first, second] : survey.duplicates()) {
    record["duplicates"].push_back({first, second});
  }
  print_json(record);
  return code;
}

// ito data stats

int run_stats(const DataOptions& o) {
  const SetPointer set = open(o, o.split == "train" ? Split::train : Split::test);
  const data::Statistics s = data::statistics_of(*set);
  if (o.json) {
    Json record = {{"name", set->name()},
                   {"split", o.split},
                   {"held_out", set->held_out()},
                   {"kind", set->has_bytes() ? "images" : "points"},
                   {"count", s.count},
                   {"shape", size_of_set(*set)},
                   {"channels", Json::array()},
                   {"classes", s.classes}};
    for (const data::ChannelStatistics& c : s.channels) {
      record["channels"].push_back({{"mean", c.mean},
                                    {"standard_deviation", c.standard_deviation},
                                    {"min", c.least},
                                    {"max", c.most}});
    }
    print_json(record);
    return 0;
  }
  std::printf("data set     %s\n", where(o, *set).c_str());
  std::printf("split        %s%s\n", o.split.c_str(),
              set->held_out() ? "" : "; nothing is held out, the other split is the same");
  std::printf("samples      %" PRId64 " %s of %s\n", s.count,
              set->has_bytes() ? "images" : "points", size_text(size_of_set(*set)).c_str());
  for (size_t i = 0; i < s.channels.size(); ++i) {
    const data::ChannelStatistics& c = s.channels[i];
    std::printf("channel %zu    mean %.5f, standard deviation %.5f, from %.5g to %.5g\n", i, c.mean,
                c.standard_deviation, c.least, c.most);
  }
  for (size_t i = 0; i < s.classes.size(); ++i) {
    std::printf("class %-6zu %" PRId64 "\n", i, s.classes[i]);
  }
  return 0;
}

// ito data noise-scales

struct NoiseOptions : DataOptions {
  int64_t samples = 10'000, seed = 0;
  double sigma_min = 0.01, overlap = 0.5;
  int langevin_steps = 5;
  bool centered = false, toml = false;
  CommonOptions common;
};

/// Samples drawn without replacement, f32 [N, D] in the range of the model; all of the set in its
/// order if it has no more.
Tensor rows_of(const NoiseOptions& o, const data::Dataset& set) {
  const auto each = static_cast<int64_t>(set.shape().numel());
  const int64_t count = o.samples == 0 ? set.size() : std::min(o.samples, set.size());
  const auto most = static_cast<int64_t>(data::kMaxContentBytes / sizeof(float)) / each;
  if (count > most) {
    fail(ErrorCode::bad_value, "--samples",
         "asks for " + std::to_string(count) + " samples, too many to hold at once",
         "use --samples " + std::to_string(most) + " or fewer");
  }
  std::vector<uint32_t> order(static_cast<size_t>(set.size()));
  std::iota(order.begin(), order.end(), 0u);
  if (count < set.size()) {
    order = permutation(static_cast<uint32_t>(set.size()),
                        {.seed = static_cast<uint64_t>(o.seed), .purpose = Purpose::data});
  }
  Tensor rows = Tensor::empty({count, each}, DType::f32);
  for (int64_t i = 0; i < count; ++i) {
    const auto row =
        rows.span<float>().subspan(static_cast<size_t>(i * each), static_cast<size_t>(each));
    set.read(order[static_cast<size_t>(i)], row);
    if (!o.centered || !set.has_bytes()) continue;
    for (float& x : row) x = 2 * x - 1;
  }
  return rows;
}

struct NoiseScales {
  int64_t samples = 0, dimension = 0;
  double sigma_max = 0;
  // Techniques 2 and 4; none in fewer than 5 dimensions.
  double gamma = 0, overlap = 0, step = 0, variance_ratio = 0;
  int levels = 0;
};

NoiseScales choose(const NoiseOptions& o, const data::Dataset& set) {
  const Tensor rows = rows_of(o, set).to(o.common.apply());
  NoiseScales n{.samples = rows.size(0), .dimension = rows.size(1)};
  n.sigma_max = sde::largest_noise(rows, std::max<int64_t>(2, n.samples)).sigma_max;
  if (!(n.sigma_max > o.sigma_min)) {
    fail(
        ErrorCode::bad_combination, "--sigma-min",
        "is not below sigma_max: the samples are at most " + std::to_string(n.sigma_max) + " apart",
        "give a data set of different samples, or a smaller --sigma-min");
  }
  constexpr int64_t kLeastDimension = 5;
  if (n.dimension < kLeastDimension) return n;
  n.levels = sde::level_count(o.sigma_min, n.sigma_max, sde::level_ratio(n.dimension, o.overlap));
  // The ratio that this many levels have.
  n.gamma = std::pow(n.sigma_max / o.sigma_min, 1.0 / (n.levels - 1));
  n.overlap = sde::level_overlap(n.gamma, n.dimension);
  n.step = sde::langevin_step_for(o.sigma_min, n.gamma, o.langevin_steps);
  n.variance_ratio = sde::langevin_variance_ratio(n.step, o.sigma_min, n.gamma, o.langevin_steps);
  return n;
}

/// Four digits, more than the choice is worth.
std::string rounded(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", v);
  return text;
}

/// TOML has no 1 for a float: 1.0.
std::string toml_number(double v) {
  const std::string text = rounded(v);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string toml_of(const NoiseOptions& o, const NoiseScales& n) {
  std::string text = "[sde]\nname = \"ve\"\nsigma_min = " + toml_number(o.sigma_min) +
                     "\nsigma_max = " + toml_number(n.sigma_max) + "\n";
  if (n.levels == 0) return text;
  return text + "num_scales = " + std::to_string(n.levels) +
         "\n\n# For sampling.method = \"annealed_langevin\".\n[sampling]\nsteps = " +
         std::to_string(n.levels) + "\ncorrector_steps = " + std::to_string(o.langevin_steps) +
         "\nstep_size = " + toml_number(n.step) + "\n";
}

Json json_of(const NoiseOptions& o, const data::Dataset& set, const NoiseScales& n) {
  Json record = {{"name", set.name()},       {"samples", n.samples},   {"of", set.size()},
                 {"dimension", n.dimension}, {"centered", o.centered}, {"sigma_min", o.sigma_min},
                 {"sigma_max", n.sigma_max}};
  if (n.levels > 0) {
    record.update({{"gamma", n.gamma},
                   {"overlap", n.overlap},
                   {"levels", n.levels},
                   {"langevin_steps", o.langevin_steps},
                   {"step_size", n.step},
                   {"variance_ratio", n.variance_ratio},
                   {"ald_snr", std::sqrt(n.step / 2) / o.sigma_min}});
  }
  record["toml"] = toml_of(o, n);
  return record;
}

void print_scales(const NoiseOptions& o, const data::Dataset& set, const NoiseScales& n) {
  const bool all = n.samples == set.size();
  const char* range = !set.has_bytes() ? "" : o.centered ? ", in [-1, 1]" : ", in [0, 1]";
  std::printf("data set     %s, %s%" PRId64 " of %" PRId64 " samples%s\n", where(o, set).c_str(),
              all ? "all " : "", n.samples, set.size(), range);
  std::printf("sigma_max    %s: the largest distance between two samples%s\n",
              rounded(n.sigma_max).c_str(), all ? "" : "; of all samples it may be larger");
  std::printf("sigma_min    %s\n", rounded(o.sigma_min).c_str());
  if (n.levels == 0) {
    std::printf("levels       no advice: techniques 2 and 4 are for 5 dimensions or more\n");
  } else {
    std::printf("levels       %d, each %.5f times the next: overlap %.3f in %" PRId64
                " dimensions\n",
                n.levels, n.gamma, n.overlap, n.dimension);
    std::printf("step size    %s for %d Langevin steps a level: variance %.3f of the target's\n",
                rounded(n.step).c_str(), o.langevin_steps, n.variance_ratio);
    std::printf("ald snr      %s, the same as sampling.snr of the corrector ald\n",
                rounded(std::sqrt(n.step / 2) / o.sigma_min).c_str());
  }
  std::printf("\n%s", toml_of(o, n).c_str());
}

int run_noise_scales(const NoiseOptions& o) {
  const SetPointer set = open(o, Split::train);
  const NoiseScales n = choose(o, *set);
  if (o.json) {
    print_json(json_of(o, *set, n));
  } else if (o.toml) {
    std::printf("%s", toml_of(o, n).c_str());
  } else {
    print_scales(o, *set, n);
  }
  return 0;
}

// The command line.

Command add_pack(CLI::App& app) {
  const auto o = std::make_shared<PackOptions>();
  add_set_options(app, *o);
  app.add_option("--out", o->out, "File to write")->required();
  app.add_option("--test-fraction", o->test_fraction,
                 "Hold out this share of all images, spread evenly, in the place of the set's own "
                 "split; 0: none")
      ->check(CLI::Range(0.0, 0.5));
  app.add_flag("--overwrite", o->overwrite, "Replace the file if there is one");
  add_json(app, o->json);
  return [o] { return run_pack(*o); };
}

Command add_check(CLI::App& app) {
  const auto o = std::make_shared<DataOptions>();
  add_set_options(app, *o);
  add_json(app, o->json);
  return [o] { return run_check(*o); };
}

Command add_stats(CLI::App& app) {
  const auto o = std::make_shared<DataOptions>();
  add_set_options(app, *o);
  app.add_option("--split", o->split, "train or test")
      ->check(CLI::IsMember({"train", "test"}))
      ->capture_default_str();
  add_json(app, o->json);
  return [o] { return run_stats(*o); };
}

Command add_noise_scales(CLI::App& app) {
  const auto o = std::make_shared<NoiseOptions>();
  add_set_options(app, *o);
  app.add_option("--samples", o->samples,
                 "Samples whose distances are taken, drawn by --seed; 0: all")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 32))
      ->capture_default_str();
  app.add_option("--seed", o->seed, "Which samples")
      ->check(CLI::Range(int64_t{0}, kMostSeed))
      ->capture_default_str();
  app.add_flag("--centered", o->centered, "Images in [-1, 1] instead of [0, 1]");
  app.add_option("--sigma-min", o->sigma_min, "Smallest noise, in the units of the data")
      ->check(CLI::Range(1e-6, 1e3))
      ->capture_default_str();
  app.add_option("--overlap", o->overlap, "What neighbouring levels shall share")
      ->check(CLI::Range(0.01, 0.98))
      ->capture_default_str();
  app.add_option("--langevin-steps", o->langevin_steps, "Steps at each level")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_flag("--toml", o->toml, "Print the part of a configuration file alone");
  add_json(app, o->json);
  o->common.add_to(app);
  return [o] { return run_noise_scales(*o); };
}

}  // namespace

Command add_data(CLI::App& app) {
  app.require_subcommand(1);
  struct Entry {
    const char* name;
    const char* doc;
    Command (*add)(CLI::App&);
  };
  constexpr Entry kCommands[] = {
      {"pack", "Decode, resize and crop images once, into one file that is mapped", add_pack},
      {"check", "Read every sample; name unreadable files and duplicates", add_check},
      {"stats", "Count, shape, mean and deviation of channels, classes", add_stats},
      {"noise-scales", "Choose sigma_max, the number of levels and the Langevin step",
       add_noise_scales},
  };
  std::vector<std::pair<CLI::App*, Command>> commands;
  for (const Entry& e : kCommands) {
    CLI::App* sub = app.add_subcommand(e.name, e.doc);
    commands.emplace_back(sub, e.add(*sub));
  }
  return [commands] {
    for (const auto& [sub, command] : commands) {
      if (sub->parsed()) return command();
    }
    return 0;
  };
}

}  // namespace ito::tools
