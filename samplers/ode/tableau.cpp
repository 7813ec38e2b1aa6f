#include "samplers/ode/tableau.h"

#include <algorithm>

#include "engine/core/check.h"
#include "engine/core/nearest_name.h"

namespace ito::samplers {

std::span<const Tableau> tableaus() {
  static const std::vector<Tableau> all = {
      {.name = "euler", .order = 1, .c = {0}, .a = {{}}, .b = {1}, .error = {}},
      {.name = "midpoint", .order = 2, .c = {0, 0.5}, .a = {{}, {0.5}}, .b = {0, 1}, .error = {}},
      {.name = "heun", .order = 2, .c = {0, 1}, .a = {{}, {1}}, .b = {0.5, 0.5}, .error = {}},
      {.name = "rk4",
       .order = 4,
       .c = {0, 0.5, 0.5, 1},
       .a = {{}, {0.5}, {0, 0.5}, {0, 0, 1}},
       .b = {1. / 6, 1. / 3, 1. / 3, 1. / 6},
       .error = {}},
      {.name = "dopri5",
       .order = 5,
       .c = {0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1},
       .a = {{},
             {1. / 5},
             {3. / 40, 9. / 40},
             {44. / 45, -56. / 15, 32. / 9},
             {19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
             {9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656}},
       .b = {35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84},
       .error = {71. / 57600, 0, -71. / 16695, 71. / 1920, -17253. / 339200, 22. / 525, -1. / 40}}};
  return all;
}

const Tableau& tableau_by_name(std::string_view name) {
  const auto all = tableaus();
  const auto found = std::ranges::find(all, name, &Tableau::name);
  if (found != all.end()) return *found;
  std::vector<std::string_view> names;
  for (const Tableau& t : all) names.push_back(t.name);
  fail(ErrorCode::bad_value, "sampling.solver",
       "there is no solver named '" + escaped(std::string(name)) + "'",
       nearest_name_fix(name, names));
}

}  // namespace ito::samplers
