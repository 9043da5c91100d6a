// SPDX-License-Identifier: Apache-2.0
//
// GCC 12's unwinder, linked statically, asks glibc 2.35's _dl_find_object where the frames of a
// code address are described. Our floor is glibc 2.34 (Ubuntu 22.04, RHEL 9), so this hidden
// definition answers instead, by walking the loaded objects as the unwinder did before. It runs
// when an exception is thrown, which in vernier means: on bad input, never per collective.
#include <dlfcn.h>
#include <link.h>

#include <cstddef>
#include <cstdint>

namespace {

struct Search {
  std::uintptr_t address;
  dl_find_object* result;
};

constexpr int kContinue = 0;
constexpr int kFound = 1;
constexpr int kNoFrames = 2;

int visit(dl_phdr_info* object, std::size_t, void* argument) {
  const Search& search = *static_cast<Search*>(argument);
  bool contains = false;
  const ElfW(Phdr)* frames = nullptr;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = object->dlpi_phdr[i];
    if (header.p_type == PT_LOAD &&
        search.address - (object->dlpi_addr + header.p_vaddr) < header.p_memsz) {
      contains = true;
    }
    if (header.p_type == PT_GNU_EH_FRAME) frames = &header;
  }
  if (!contains) return kContinue;
  if (frames == nullptr) return kNoFrames;
  *search.result = {};
  search.result->dlfo_eh_frame = reinterpret_cast<void*>(object->dlpi_addr + frames->p_vaddr);
  return kFound;
}

}  // namespace

extern "C" __attribute__((visibility("hidden"))) int _dl_find_object(
    void* address, dl_find_object* result) noexcept {
  Search search{reinterpret_cast<std::uintptr_t>(address), result};
  return dl_iterate_phdr(visit, &search) == kFound ? 0 : -1;
}
