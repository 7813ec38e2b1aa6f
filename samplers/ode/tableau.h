// Explicit Runge-Kutta rules: y' = y + h sum_j b_j k_j, k_i = f(t + c_i h, y + h sum_j a_ij k_j).
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace ito::samplers {

struct Tableau {
  std::string_view name;  ///< as in the key sampling.solver
  int order;              ///< of the global error in h
  std::vector<double> c;
  std::vector<std::vector<double>> a;  ///< row i has i entries
  std::vector<double> b;
  /// b minus the weights of the embedded rule of order - 1, one more than stages: the last is that
  /// of f at the new point, which is the next step's first stage. Empty: no error estimate.
  std::vector<double> error;

  size_t stages() const { return b.size(); }
};

/// euler, midpoint, heun, rk4, dopri5 (Dormand and Prince 1980, 5(4)).
std::span<const Tableau> tableaus();
/// Throws UserError(bad_value) naming the nearest one for an unknown name.
const Tableau& tableau_by_name(std::string_view name);

}  // namespace ito::samplers
