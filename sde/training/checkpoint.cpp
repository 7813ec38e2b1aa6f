#include "sde/training/checkpoint.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "engine/io/atomic_file.h"
#include "engine/io/safetensors.h"
#include "engine/io/settings_json.h"
#include "models/load.h"

namespace ito::sde {
namespace {

namespace fs = std::filesystem;

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

fs::path checkpoints_of(const fs::path& run) { return run / "checkpoints"; }

std::string folder_name(int64_t step) {
  char name[32];
  std::snprintf(name, sizeof name, "step_%08lld", static_cast<long long>(step));
  return name;
}

void write_text(const fs::path& file, const std::string& text) {
  write_file_atomically(file,
                        std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

void sync_folder(const fs::path& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY);
  if (fd < 0) return;
  fsync(fd);  // a file system without directory sync keeps the order of the renames at best
  close(fd);
}

[[noreturn]] void write_failed(const fs::path& path, const std::string& reason) {
  fail(ErrorCode::write_failed, path.string(), reason, "check free space and permissions");
}

NamedTensors optimizer_tensors(NetworkTrainer& trainer) {
  NamedTensors list;
  const Arena& arena = trainer.arena();
  for (size_t i = 0; i < arena.count(); ++i) {
    list.emplace_back("m." + arena.name(i), arena.view(trainer.first_moment(), i));
    list.emplace_back("v." + arena.name(i), arena.view(trainer.second_moment(), i));
  }
  return list;
}

/// Removes a folder at the end of the scope, if it is still there: nothing half-written stays
/// behind.
struct RemoveFolder {
  fs::path path;
  ~RemoveFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

/// What state.json holds.
Fields fields_of(TrainingProgress& p) {
  Fields f;
  f.add("step", &p.steps, "steps done");
  f.add("skipped", &p.skipped, "of these, without an update");
  f.add("skipped_in_a_row", &p.skipped_in_a_row, "up to now");
  f.add("rollbacks", &p.rollbacks, "returns to a checkpoint, each with other draws from then on");
  f.add("loss_sum", &p.window.sum, "losses since the last line of metrics");
  f.add("loss_count", &p.window.count, "their number");
  f.add("loss_skipped", &p.window.skipped, "steps without an update since that line");
  f.add("correct", &p.window.correct, "of a classifier: images told right in them");
  return f;
}

TrainingProgress read_state(const fs::path& checkpoint) {
  const fs::path file = checkpoint / "state.json";
  std::ifstream in(file);
  if (!in)
    fail(ErrorCode::file_missing, file.string(), "cannot be opened", "use another checkpoint");
  std::ostringstream text;
  text << in.rdbuf();
  TrainingProgress progress{.steps = -1};
  fields_of(progress).apply_known(settings_from_json(text.str(), file.string()), file.string());
  if (progress.steps < 0) {
    fail(ErrorCode::file_corrupt, file.string(), "has no step number", "use another checkpoint");
  }
  return progress;
}

/// Throws if any part of the checkpoint cannot be read.
void verify(const fs::path& checkpoint) {
  read_state(checkpoint);
  for (const char* file : {"model.safetensors", "ema.safetensors", "optim.safetensors"}) {
    read_safetensors(checkpoint / file);
  }
}

/// Checkpoint folders of a run, the newest first. Temporary ones have other names.
std::vector<fs::path> all_checkpoints(const fs::path& run) {
  std::vector<fs::path> list;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(checkpoints_of(run), error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("step_") && entry.is_directory(error)) list.push_back(entry.path());
  }
  std::ranges::sort(list, std::greater());
  return list;
}

void write_files(const fs::path& folder, NetworkTrainer& trainer, const Settings& settings) {
  const std::map<std::string, std::string> metadata = {{"format", "ito"},
                                                       {"config", settings_to_json(settings)}};
  write_safetensors(folder / "model.safetensors", nn::named_parameters(trainer.network()),
                    metadata);
  write_safetensors(folder / "ema.safetensors", nn::named_parameters(trainer.ema_network()),
                    metadata);
  write_safetensors(folder / "optim.safetensors", optimizer_tensors(trainer));
  TrainingProgress progress = trainer.progress();
  write_text(folder / "state.json", settings_to_json(fields_of(progress).values()) + "\n");
}

}  // namespace

fs::path save_checkpoint(const fs::path& run, NetworkTrainer& trainer, const Settings& settings,
                         int keep) {
  const std::string nonfinite = trainer.nonfinite_state();
  if (!nonfinite.empty()) throw NonfiniteError(nonfinite, trainer.steps_done());
  const fs::path parent = checkpoints_of(run), target = parent / folder_name(trainer.steps_done());
  const fs::path temporary = parent / (".tmp-" + target.filename().string());
  const RemoveFolder cleanup{temporary};
  try {
    fs::remove_all(temporary);
    fs::create_directories(temporary);
    write_files(temporary, trainer, settings);
    verify(temporary);
    sync_folder(temporary);
    fs::remove_all(target);
    fs::rename(temporary, target);
    sync_folder(parent);
  } catch (const fs::filesystem_error& e) {
    write_failed(target, e.code().message());
  }
  finish_saving(target, keep);
  return target;
}

void finish_saving(const fs::path& checkpoint, int keep) {
  const fs::path parent = checkpoint.parent_path();
  write_text(parent / "LATEST", checkpoint.filename().string() + "\n");
  // Later steps are damaged, or this run would have gone on from them: they do not count.
  const std::vector<fs::path> all = all_checkpoints(parent.parent_path());
  const auto here = std::ranges::find(all, checkpoint) - all.begin();
  for (size_t i = static_cast<size_t>(here + keep); i < all.size(); ++i) {
    std::error_code error;
    fs::remove_all(all[i], error);
    if (error) write_failed(all[i], error.message());
  }
}

std::optional<fs::path> newest_checkpoint(const fs::path& run) {
  std::optional<UserError> damage;
  for (const fs::path& checkpoint : all_checkpoints(run)) {
    try {
      verify(checkpoint);
      return checkpoint;
    } catch (const UserError& e) {  // an older one may be whole
      if (!damage) damage = e;
    }
  }
  if (damage) throw *damage;
  return std::nullopt;
}

fs::path find_checkpoint(const fs::path& path) {
  std::error_code error;
  if (fs::exists(path / "state.json", error)) {
    verify(path);
    return path;
  }
  if (const auto newest = newest_checkpoint(path)) return *newest;
  fail(ErrorCode::file_missing, path.string(),
       fs::exists(path, error) ? "holds no checkpoint" : "does not exist",
       "name the folder of a run or of a checkpoint");
}

Settings checkpoint_settings(const fs::path& checkpoint) {
  const fs::path model = checkpoint / "model.safetensors";
  return nn::settings_of(read_safetensors(model), model);
}

void load_checkpoint(const fs::path& checkpoint, NetworkTrainer& trainer) {
  const TrainingProgress progress = read_state(checkpoint);
  const fs::path model = checkpoint / "model.safetensors", ema = checkpoint / "ema.safetensors";
  const fs::path optim = checkpoint / "optim.safetensors";
  const SafetensorsFile moments = read_safetensors(optim);
  const NamedTensors places = optimizer_tensors(trainer);
  for (const auto& [name, place] : places) {
    const Tensor& found = moments.at(name, optim);
    if (found.shape() != place.shape() || found.dtype() != place.dtype()) {
      fail(ErrorCode::file_mismatch, optim.string(),
           name + " is " + describe(found) + ", the network needs " + describe(place),
           "resume with the configuration that the checkpoint was trained with");
    }
  }
  nn::load_parameters(trainer.network(), read_safetensors(model), model);
  nn::load_parameters(trainer.ema_network(), read_safetensors(ema), ema);
  for (const auto& [name, place] : places) place.copy_from(moments.at(name, optim));
  trainer.set_progress(progress);
}

}  // namespace ito::sde
