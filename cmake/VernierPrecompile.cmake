# SPDX-License-Identifier: Apache-2.0
# Headers that take longest to read, once per target. For builds with sanitizers, which nobody ships:
# the release build checks that each file includes what it uses.
foreach(target vernier_tools_common vernier_workload vernier_profile_reader vernier_machine
               vernier_doctor vernier_calibrate vernier_bench vernier)
  target_precompile_headers(${target} PRIVATE
    <algorithm> <map> <optional> <string> <vector> <fmt/format.h> <nlohmann/json.hpp>)
endforeach()
target_precompile_headers(unit_tests PRIVATE
  <algorithm> <map> <optional> <string> <vector> <gtest/gtest.h> <nlohmann/json.hpp>)
foreach(target contract_test profiler_test)
  target_precompile_headers(${target} PRIVATE <map> <string> <vector> <gtest/gtest.h>)
endforeach()
