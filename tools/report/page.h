// The report of one or several runs: one HTML file that needs nothing else, not even scripts.
#pragma once

#include <string>
#include <vector>

#include "tools/report/run_record.h"

namespace ito::report {

/// At least one run.
std::string page_html(std::vector<RunRecord> runs);

}  // namespace ito::report
