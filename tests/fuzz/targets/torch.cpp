#include "tests/fuzz/input.h"
#include "tools/import/torch_file.h"

using namespace ito;

namespace {

/// Reads every tensor among the values of a dictionary.
void read_all(const tools::TorchFile& file, const tools::Value& value) {
  for (const tools::ValueId id : value.items) {
    const tools::Value& item = file.at(id);
    if (item.kind == tools::Value::Kind::tensor) file.read(item, "tensor");
  }
}

}  // namespace

ITO_FUZZ_TARGET(input) {
  const fuzz::MemoryFile memory(input);
  const tools::TorchFile file(memory.path());
  file.find(file.root(), "model");
  read_all(file, file.root());
}
