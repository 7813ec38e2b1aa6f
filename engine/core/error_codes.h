// Numbers of the errors that a user of a program can mend. The hundreds digit is the exit code
// (docs/errors.md lists every number with its cause and cure; a test checks both directions).
#pragma once

namespace ito {

enum class ErrorCode : int {
  // 1xx: a bug of ours.
  internal = 101,
  // 2xx: usage or configuration.
  bad_usage = 201,        // a command line that cannot be understood
  unknown_key = 202,      // a configuration key, preset or name that does not exist
  bad_value = 203,        // a value of the wrong type or out of range
  bad_combination = 204,  // values that exclude one another
  config_syntax = 205,    // a configuration file that is not valid TOML
  // 3xx: input data, weights or checkpoint.
  file_missing = 301,    // a file or folder that does not exist or cannot be opened
  file_truncated = 302,  // a file shorter than its header promises
  file_corrupt = 303,    // a file whose contents break its format
  file_mismatch = 304,   // a file that is valid but of another shape, name or kind than needed
  file_unknown = 305,    // a file of a format that is not known
  // 4xx: output.
  write_failed = 401,   // space, permission, or an input/output fault
  output_exists = 402,  // an output that is there and must not be overwritten
  output_locked = 403,  // a run directory that another process is writing
  // 5xx: run time not available.
  device_unavailable = 501,  // no usable GPU, driver or library
  // 6xx: memory.
  out_of_memory = 601,
  // 7xx: numbers.
  not_finite = 701,  // a loss, weight or sample became infinite or not a number
  // 8xx: device fault.
  device_fault = 801,  // a GPU that a failed kernel or the hardware made unusable
};

constexpr int exit_code_of(ErrorCode code) { return static_cast<int>(code) / 100; }

}  // namespace ito
