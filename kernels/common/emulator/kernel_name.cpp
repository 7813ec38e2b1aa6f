// Kernels are static functions, which the dynamic symbol table does not list: look them up in the
// full symbol table of the running program.
#include <cxxabi.h>
#include <elf.h>
#include <link.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include "kernels/common/emulator/machine.h"

namespace ito::gpu::emu {
namespace {

std::uintptr_t load_address() {
  std::uintptr_t base = 0;
  const auto first = [](dl_phdr_info* info, std::size_t, void* result) {
    *static_cast<std::uintptr_t*>(result) = info->dlpi_addr;
    return 1;  // the first object is the program itself
  };
  dl_iterate_phdr(first, &base);
  return base;
}

template <class T>
bool read_at(const std::string& image, std::uint64_t offset, T& value) {
  if (offset > image.size() || image.size() - offset < sizeof(T)) return false;
  std::memcpy(&value, image.data() + offset, sizeof(T));
  return true;
}

std::string symbol_at(const std::string& image, std::uintptr_t address) {
  ElfW(Ehdr) header;
  if (!read_at(image, 0, header)) return "";
  for (int s = 0; s < header.e_shnum; ++s) {
    ElfW(Shdr) section, names;
    const auto section_at = [&](unsigned i) { return header.e_shoff + i * sizeof(section); };
    if (!read_at(image, section_at(static_cast<unsigned>(s)), section)) return "";
    if (section.sh_type != SHT_SYMTAB || !read_at(image, section_at(section.sh_link), names)) {
      continue;
    }
    ElfW(Sym) symbol;
    for (std::uint64_t at = 0; at < section.sh_size; at += sizeof(symbol)) {
      if (!read_at(image, section.sh_offset + at, symbol)) break;
      const std::uint64_t name = names.sh_offset + symbol.st_name;
      if (symbol.st_value == address && (symbol.st_info & 0xF) == STT_FUNC && name < image.size()) {
        return image.c_str() + name;
      }
    }
  }
  return "";
}

/// "void ito::emulated::f<float>(float*)" becomes "ito::emulated::f<float>".
std::string readable(const std::string& mangled) {
  int status = 0;
  char* text = abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status);
  std::string name = status == 0 ? text : mangled;
  std::free(text);
  if (name.rfind("void ", 0) == 0) name.erase(0, 5);
  const std::string unnamed = "(anonymous namespace)::";
  for (std::size_t at; (at = name.find(unnamed)) != std::string::npos;) {
    name.erase(at, unnamed.size());
  }
  int depth = 0;  // the arguments begin at the first parenthesis outside of < >
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '<') ++depth;
    if (name[i] == '>') --depth;
    if (name[i] == '(' && depth == 0) return name.substr(0, i);
  }
  return name;
}

}  // namespace

const char* kernel_name(const void* kernel) {
  static const void* known = nullptr;
  static std::string name;
  if (known == kernel) return name.c_str();
  std::ifstream file("/proc/self/exe", std::ios::binary);
  const std::string image{std::istreambuf_iterator<char>(file), {}};
  const std::string symbol =
      symbol_at(image, reinterpret_cast<std::uintptr_t>(kernel) - load_address());
  if (symbol.empty()) {
    char text[32];
    std::snprintf(text, sizeof text, "at %p", kernel);
    name = text;
  } else {
    name = readable(symbol);
  }
  known = kernel;
  return name.c_str();
}

}  // namespace ito::gpu::emu
