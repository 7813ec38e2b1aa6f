// The section `sde` of a configuration, and the factory that makes an Sde from it.
#pragma once

#include <memory>
#include <string>

#include "engine/core/settings.h"
#include "sde/sde.h"

namespace ito::sde {

/// Values of Song et al. 2021, appendix C; sigma_max is chosen per data set (50 for CIFAR-10).
struct SdeConfig {
  std::string name = "ve";  ///< ve, vp, subvp or cosine (Nichol and Dhariwal 2021)
  double sigma_min = 0.01;  ///< VE: noise at t = 0, in data units, > 0
  double sigma_max = 50;    ///< VE: noise at t = T, > sigma_min
  double beta_min = 0.1;    ///< VP, sub-VP: beta(0), per unit of time, >= 0
  double beta_max = 20;     ///< VP, sub-VP: beta(T), > 0 and >= beta_min
  int num_scales = 1000;    ///< levels N of the discrete tables and labels, >= 1

  void fields(Fields& f);  ///< section [sde]
  /// Throws UserError (bad_value, subject "sde.<key>") for the first value that is out of range.
  void validate() const;
};

/// The SDE that `config` names, after validate(). Throws UserError.
std::unique_ptr<Sde> make_sde(const SdeConfig& config);

}  // namespace ito::sde
