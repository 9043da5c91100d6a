# SPDX-License-Identifier: Apache-2.0
# altered_plugin(KIND NAME (FILE TEXT INSTEAD)...): a tuner or profiler for tests only, with one text
# of each source file replaced everywhere in it, in a folder of its own: ${VERNIER_ALTERED_PLUGINS}/NAME.
set(VERNIER_ALTERED_PLUGINS ${PROJECT_BINARY_DIR}/tests/plugins)

function(altered_plugin kind name)
  set(sources)
  # Not by ARGN: texts have semicolons.
  math(EXPR last "${ARGC} - 1")
  foreach(i RANGE 2 ${last} 3)
    math(EXPR i_text "${i} + 1")
    math(EXPR i_instead "${i} + 2")
    set(file "${ARGV${i}}")
    set(text "${ARGV${i_text}}")
    set(instead "${ARGV${i_instead}}")
    set(source ${PROJECT_SOURCE_DIR}/${file})
    set(altered ${CMAKE_CURRENT_BINARY_DIR}/${name}/${file})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
    file(READ ${source} content)
    string(REPLACE "${text}" "${instead}" replaced "${content}")
    if(replaced STREQUAL content)
      message(FATAL_ERROR "${file} does not contain: ${text}")
    endif()
    file(CONFIGURE OUTPUT ${altered} CONTENT "${replaced}" @ONLY)
    list(APPEND sources ${altered})
  endforeach()
  # These objects come before those of the library, which then are not used.
  vernier_plugin(${name} ${PROJECT_SOURCE_DIR}/plugin/${kind}/exports.map
                 ${PROJECT_SOURCE_DIR}/plugin/${kind}/${kind}_abi.cc ${sources})
  target_link_libraries(${name} PRIVATE vernier_${kind}_core)
  set_target_properties(${name} PROPERTIES OUTPUT_NAME nccl-${kind}-vernier
    LIBRARY_OUTPUT_DIRECTORY ${VERNIER_ALTERED_PLUGINS}/${name})
endfunction()
