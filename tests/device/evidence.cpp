// Puts the parts that tools/gpu_check.sh left into one JSON file.
//   evidence --parts DIR --out FILE --gpu NAME --driver TEXT --commit HASH --kernels HASH
// Exits 1 if a check failed.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

namespace {

using nlohmann::ordered_json;
namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string last_lines(const std::string& text, size_t bytes) {
  return text.size() <= bytes ? text : text.substr(text.size() - bytes);
}

/// A line for each op, check and dtype.
ordered_json ops_report(const fs::path& path) {
  ordered_json list = ordered_json::array();
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) list.push_back(ordered_json::parse(line));
  return list;
}

/// Name, nanoseconds per call, and the fraction of the roofline.
ordered_json bench_report(const fs::path& path) {
  ordered_json result;
  if (!fs::exists(path)) return result;
  const ordered_json file = ordered_json::parse(read(path), nullptr, false);
  if (file.is_discarded()) return result;
  result["context"] = file.value("context", ordered_json::object());
  result["lines"] = ordered_json::array();
  for (const ordered_json& b : file.value("benchmarks", ordered_json::array())) {
    ordered_json line{{"name", b.value("name", "")},
                      {"ns_per_10_calls", b.value("real_time", 0.0)}};
    for (const char* key : {"GB/s", "GFLOP/s", "roofline", "error_message"}) {
      if (b.contains(key)) line[key] = b[key];
    }
    result["lines"].push_back(line);
  }
  return result;
}

/// What became of a part: passed, failed, timed out, or not available and why.
ordered_json outcome(const fs::path& parts, const std::string& name, bool& all_passed) {
  const std::string log = read(parts / (name + ".log"));
  const int status = std::atoi(read(parts / (name + ".status")).c_str());
  // The checkers refuse some devices, or are not there: no verdict, but no failure of ours.
  const bool is_checker = name.ends_with("check");
  const bool unavailable =
      is_checker && (status == 127 || log.find("not supported") != std::string::npos ||
                     log.find("Unable to") != std::string::npos);
  std::string verdict = "failed";
  if (status == 0) verdict = "passed";
  if (status == 124) verdict = is_checker ? "no verdict: time limit" : "failed: time limit";
  if (unavailable) verdict = "unavailable";
  all_passed &= verdict != "failed" && verdict != "failed: time limit";
  ordered_json result{{"verdict", verdict}, {"exit", status}};
  if (verdict != "passed") result["log"] = last_lines(log, 2000);
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> given;
  for (int i = 1; i + 1 < argc; i += 2) given[argv[i]] = argv[i + 1];
  for (const char* key : {"--parts", "--out", "--gpu", "--driver", "--commit", "--kernels"}) {
    if (given.count(key) != 0) continue;
    std::fprintf(stderr, "%s is missing\n", key);
    return 2;
  }
  const fs::path parts = given["--parts"];
  bool all_passed = true;
  ordered_json checks;
  for (const char* name : {"ops", "device", "samplers", "bench", "bench_libraries", "memcheck",
                           "racecheck", "initcheck", "synccheck"}) {
    checks[name] = outcome(parts, name, all_passed);
  }
  const ordered_json evidence{{"gpu", given["--gpu"]},
                              {"driver", given["--driver"]},
                              {"commit", given["--commit"]},
                              {"kernels", given["--kernels"]},
                              {"passed", all_passed},
                              {"checks", checks},
                              {"doctor", read(parts / "doctor.log")},
                              {"ops", ops_report(parts / "ops.report")},
                              {"bench", bench_report(parts / "bench.json")},
                              {"bench_libraries", bench_report(parts / "bench_libraries.json")}};
  const fs::path out = given["--out"], temporary = out.string() + ".part";
  std::ofstream(temporary) << evidence.dump(1) << "\n";
  fs::rename(temporary, out);
  std::printf("%s: %s\n", out.c_str(), all_passed ? "all checks passed" : "A CHECK FAILED");
  return all_passed ? 0 : 1;
}
