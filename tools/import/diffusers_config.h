// The configuration files of diffusers as settings of ours.
#pragma once

#include "engine/core/settings.h"
#include "tools/import/json_object.h"

namespace ito::tools {

/// What the config.json of a UNet2DModel says, as settings of the sections model and data. Keys
/// that are absent have the defaults of diffusers. Throws UserError: file_corrupt for a value of
/// the wrong type or out of range, file_unknown naming key and value for a network that ours cannot
/// express.
Settings model_settings(const JsonObject& config);

/// What scheduler_config.json says, as settings of the sections sde, objective and sampling.
/// DDPM, DDIM and PNDM with linear betas give the VP SDE with beta(0) = N beta_start and
/// beta(1) = N beta_end (Song et al. 2021, App. B); ScoreSdeVe gives the VE SDE. Throws as above.
Settings sde_settings(const JsonObject& scheduler);

}  // namespace ito::tools
