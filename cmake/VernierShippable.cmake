# SPDX-License-Identifier: Apache-2.0
# vernier_shippable(target): the target runs on any machine with glibc 2.34: it carries the C++
# runtime, and needs libc, libm and ld-linux alone. Checked by tests/files.
#
# Unused sections are dropped because libstdc++'s random_device, which we never call, would need
# arc4random of glibc 2.36. plugin/common/dl_find_object.cc keeps the unwinder from needing 2.35.

add_library(vernier_portable_unwind OBJECT
  ${PROJECT_SOURCE_DIR}/plugin/common/dl_find_object.cc)
target_link_libraries(vernier_portable_unwind PRIVATE vernier_warnings)

function(vernier_shippable target)
  if(VERNIER_SANITIZE)
    return() # sanitizers bring their own runtime libraries
  endif()
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:vernier_portable_unwind>)
  target_compile_options(${target} PRIVATE -ffunction-sections -fdata-sections)
  target_link_options(${target} PRIVATE -static-libstdc++ -static-libgcc
    LINKER:--gc-sections LINKER:--exclude-libs,ALL LINKER:-z,defs LINKER:-z,relro LINKER:-z,now)
endfunction()

# vernier_plugin(target exports.map sources...): a plugin NCCL loads, exporting what the map names.
function(vernier_plugin target map)
  add_library(${target} MODULE ${ARGN})
  set_target_properties(${target} PROPERTIES CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON LINK_DEPENDS ${map})
  target_link_libraries(${target} PRIVATE vernier_warnings)
  target_link_options(${target} PRIVATE LINKER:--version-script=${map})
  # NCCL closes a plugin with its last communicator and may open it again. Staying mapped keeps
  # what is once per process (parsed policies, warnings given) once per process.
  target_link_options(${target} PRIVATE LINKER:-z,nodelete)
  vernier_shippable(${target})
endfunction()
