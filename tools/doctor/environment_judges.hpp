// SPDX-License-Identifier: Apache-2.0
//
// What environment_lints.cc asks of a value. Each says in a few words what is wrong with it on this
// machine; nothing where it is fine.
#pragma once

#include <string>

#include "tools/doctor/facts.hpp"

namespace vernier::doctor::judge {

using Value = const std::string&;

// Any value at all: "is set".
std::string is_set(Value value, const Facts& facts);
// Anything but 0; 0.
std::string is_on(Value value, const Facts& facts);
std::string is_zero(Value value, const Facts& facts);

std::string algo_invalid(Value value, const Facts& facts);
std::string proto_invalid(Value value, const Facts& facts);
std::string algo_stops(Value value, const Facts& facts);
std::string algo_names_some(Value value, const Facts& facts);
std::string algo_hides(Value value, const Facts& facts);
std::string proto_hides(Value value, const Facts& facts);
std::string proto_ll128_unsafe(Value value, const Facts& facts);
std::string nvls_without_algo(Value value, const Facts& facts);

std::string level_invalid(Value value, const Facts& facts);
std::string gdr_level_sys(Value value, const Facts& facts);
std::string p2p_disabled(Value value, const Facts& facts);
std::string ib_disabled(Value value, const Facts& facts);
std::string net_socket(Value value, const Facts& facts);
std::string hca_matches_none(Value value, const Facts& facts);
std::string hca_names_absent(Value value, const Facts& facts);
std::string hca_matches_several(Value value, const Facts& facts);
std::string hca_leaves_out(Value value, const Facts& facts);
std::string gid_index_on_infiniband(Value value, const Facts& facts);
std::string gid_index_not_v2(Value value, const Facts& facts);
std::string tc_on_infiniband(Value value, const Facts& facts);
std::string interface_unknown(Value value, const Facts& facts);

std::string fewer_threads(Value value, const Facts& facts);
std::string few_channels(Value value, const Facts& facts);
std::string collnet_without_plugin(Value value, const Facts& facts);
std::string debug_invalid(Value value, const Facts& facts);
std::string debug_trace(Value value, const Facts& facts);
std::string nowin_without_policy(Value value, const Facts& facts);
std::string efficiency_with_tuner(Value value, const Facts& facts);
std::string is_one(Value value, const Facts& facts);

}  // namespace vernier::doctor::judge
