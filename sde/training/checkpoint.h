// Checkpoints: a folder with weights, averaged weights and optimizer state, written so that a crash
// at any moment leaves the last good one.
#pragma once

#include <filesystem>
#include <optional>

#include "engine/core/settings.h"
#include "sde/training/network_trainer.h"

namespace ito::sde {

/// Writes run/checkpoints/step_<8 digits>/{model,ema,optim}.safetensors and state.json: to a
/// temporary sibling, synced, renamed, verified by reading; then removes all but the newest `keep`.
/// model and ema carry `settings` (the resolved configuration). Returns the folder.
/// Throws UserError(write_failed); NonfiniteError, and writes nothing, if the state is not finite:
/// what is in a checkpoint can be gone on from.
std::filesystem::path save_checkpoint(const std::filesystem::path& run, NetworkTrainer& trainer,
                                      const Settings& settings, int keep);

/// What follows the rename: run/checkpoints/LATEST names `checkpoint`, and all but the newest
/// `keep` up to it are removed. A crash in between leaves it undone, so a run that goes on does it
/// again. Throws UserError(write_failed).
void finish_saving(const std::filesystem::path& checkpoint, int keep);

/// The newest checkpoint of a run that verifies, or nothing if the run has none yet. Throws
/// UserError about the newest if there are some and none verifies.
std::optional<std::filesystem::path> newest_checkpoint(const std::filesystem::path& run);

/// The checkpoint that a path names: its own folder, or the newest that verifies of a run. Throws
/// UserError(file_missing), or about the damage.
std::filesystem::path find_checkpoint(const std::filesystem::path& path);

/// The configuration that a checkpoint carries. Throws UserError.
Settings checkpoint_settings(const std::filesystem::path& checkpoint);

/// Restores everything that the next step depends on. Throws UserError (file_mismatch, ...).
void load_checkpoint(const std::filesystem::path& checkpoint, NetworkTrainer& trainer);

}  // namespace ito::sde
