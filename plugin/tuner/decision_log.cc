// SPDX-License-Identifier: Apache-2.0
#include "plugin/tuner/decision_log.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <string>
#include <system_error>

#include "plugin/common/log_directory.hpp"
#include "plugin/tuner/policy_store.hpp"
#include "vernier/policy.hpp"

namespace vernier {
namespace {

std::string decision_line(const Activation& activation, const CommunicatorFacts& facts,
                          const std::string& digest) {
  const ProcessName& process = process_name();
  return fmt::format(
      "{{\"vernier_tuner\":1,\"host\":{},\"pid\":{},\"comm_id\":{},\"ranks\":{},\"nodes\":{},"
      "\"digest\":{},\"mode\":{},\"reason\":\"{}\",\"detail\":{}}}\n",
      json_string(process.host), process.pid,
      facts.comm_id ? fmt::format("\"{:016x}\"", *facts.comm_id) : "null", facts.nranks,
      facts.nnodes, digest.empty() ? "null" : json_string(digest), json_string(activation.mode),
      name_of(activation.reason), json_string(activation.detail));
}

// 0 or an errno. All ranks write the same; who comes first spares the others the work.
int keep_policy(const std::string& directory, const Policy& policy, const std::string& digest) {
  const std::string path =
      fmt::format("{}/policy-{}.toml", directory, digest.substr(digest.find(':') + 1));
  if (access(path.c_str(), F_OK) == 0) return 0;
  return replace_file(path, write_policy(policy, WithEvidence::no));
}

}  // namespace

void log_decision(const Activation& activation, const CommunicatorFacts& facts,
                  const NcclLog& log) {
  const auto directory = log_directory();
  if (!directory) return;
  const bool readable = activation.policy != nullptr && activation.policy->policy();
  const std::string digest = readable ? activation.policy->digest() : "";
  const std::string path = log_path(*directory, "tuner");
  int error = append_text(path, decision_line(activation, facts, digest));
  if (error == 0 && readable) error = keep_policy(*directory, *activation.policy->policy(), digest);
  if (error == 0) return;
  log.warn_once("decision log", fmt::format("{}: {}; decisions are not logged there", *directory,
                                            std::generic_category().message(error)));
}

}  // namespace vernier
