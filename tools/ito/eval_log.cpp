#include "tools/ito/eval_log.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/core/check.h"
#include "tools/run/json_text.h"

namespace ito::tools {
namespace {

[[noreturn]] void not_writable(const std::filesystem::path& file) {
  fail(ErrorCode::write_failed, file.string(), "cannot be appended to",
       "check free space and permissions");
}

bool is_record(const Json& json) {
  return json.is_object() && json.contains("conditions") && json.contains("target") &&
         json["target"].is_string() && json.contains("metrics") && json["metrics"].is_object() &&
         std::ranges::all_of(json["metrics"], [](const Json& v) { return v.is_number(); });
}

}  // namespace

EvalLog::EvalLog(std::filesystem::path file) : file_(std::move(file)) {
  const bool exists = std::filesystem::exists(file_);
  const std::filesystem::path place = exists ? file_ : file_.parent_path();
  if (exists && !std::filesystem::is_regular_file(file_)) not_writable(file_);
  if (access(place.c_str(), W_OK) != 0) not_writable(file_);
  std::ifstream in(file_, std::ios::binary);
  std::string line;
  while (std::getline(in, line)) {
    whole_ = !in.eof();
    remember(line);
  }
}

void EvalLog::remember(const std::string& line) {
  const Json json = Json::parse(line, nullptr, false);
  if (is_record(json)) records_[json_text(json["conditions"])] = line;
}

std::optional<std::string> EvalLog::find(const std::string& conditions) const {
  const auto found = records_.find(conditions);
  if (found == records_.end()) return std::nullopt;
  return found->second;
}

void EvalLog::append(const std::string& record) {
  std::ofstream out(file_, std::ios::app | std::ios::binary);
  if (!(out << (whole_ ? "" : "\n") + record + "\n") || !out.flush()) not_writable(file_);
  whole_ = true;
  remember(record);
}

}  // namespace ito::tools
