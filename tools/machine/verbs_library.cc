// SPDX-License-Identifier: Apache-2.0
#include "tools/machine/verbs_library.hpp"

#include <dlfcn.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "tools/machine/verbs_abi.hpp"

namespace vernier::machine {
namespace {

template <typename Function>
bool find_function(void* library, Function& function, const char* name) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

std::string text_of(int error) { return std::strerror(error != 0 ? error : EIO); }

Reading<VerbsDevice> describe(const verbs::Library& library, verbs::Device* device) {
  using Result = Reading<VerbsDevice>;
  errno = 0;
  verbs::Context* const context = library.open_device(device);
  if (context == nullptr) return Result::unreadable(text_of(errno));
  verbs::DeviceAttributes attributes{};
  const int error = library.query_device(context, &attributes);
  Result result = Result::unreadable(text_of(error));
  if (error == 0) {
    attributes.fw_ver[sizeof attributes.fw_ver - 1] = '\0';
    result = Result::of({attributes.fw_ver, {}});
    for (int number = 1; number <= attributes.phys_port_cnt; ++number) {
      verbs::PortAttributes port{};
      if (library.query_port(context, static_cast<std::uint8_t>(number), &port) != 0) continue;
      result.value.ports[number] = {port.state, port.phys_state, port.link_layer, port.active_mtu,
                                    port.gid_tbl_len};
    }
  }
  library.close_device(context);
  return result;
}

}  // namespace

Reading<VerbsAnswers> ask_verbs() {
  using Result = Reading<VerbsAnswers>;
  void* const handle = dlopen("libibverbs.so.1", RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return {};
  verbs::Library library{};
  if (!find_function(handle, library.get_device_list, "ibv_get_device_list") ||
      !find_function(handle, library.free_device_list, "ibv_free_device_list") ||
      !find_function(handle, library.get_device_name, "ibv_get_device_name") ||
      !find_function(handle, library.open_device, "ibv_open_device") ||
      !find_function(handle, library.close_device, "ibv_close_device") ||
      !find_function(handle, library.query_device, "ibv_query_device") ||
      !find_function(handle, library.query_port, "ibv_query_port")) {
    return Result::unreadable("libibverbs.so.1 lacks a function");
  }
  int count = 0;
  errno = 0;
  verbs::Device** const list = library.get_device_list(&count);
  // Without the kernel's part the library says ENOSYS: there is no device, and that is an answer.
  if (list == nullptr) return errno == ENOSYS ? Result::of({}) : Result::unreadable(text_of(errno));
  VerbsAnswers answers;
  for (int i = 0; i < count; ++i) {
    answers[library.get_device_name(list[i])] = describe(library, list[i]);
  }
  library.free_device_list(list);
  return Result::of(std::move(answers));
}

}  // namespace vernier::machine
