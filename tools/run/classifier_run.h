// Training of a classifier in a run folder, with reports of its accuracy against the noise level.
#pragma once

#include "tools/run/train_run.h"

namespace ito::tools {

/// As run_training, for objective.kind = "classifier". In the place of sample grids stands
/// accuracy.json: {"step", "levels": [{"t", "sigma", "accuracy", "images"}]} of the averaged
/// weights on held-out images. Throws UserError, also for a data set without labels.
TrainSummary run_classifier_training(const TrainJob& job);

}  // namespace ito::tools
