// SPDX-License-Identifier: Apache-2.0
#include "tools/explain/matters.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "tools/workload/routes.hpp"
#include "vernier/policy.hpp"

namespace vernier::joblog {
namespace {

using workload::Phase;
using workload::Step;
using workload::Workload;

constexpr const char* kCalibrate =
    "measure it with vernier calibrate --model-config and the same options";

struct Decode {
  std::uint64_t steps = 0;
  std::uint64_t most_calls = 0;
  std::uint64_t most_nccl = 0;
  bool unknown = false;
  std::set<std::string> backends;          // but NCCL
  std::set<std::string> nccl_collectives;  // that NCCL sees, of the steps with most of them
};

Decode count_decode(const Workload& workload) {
  Decode decode;
  for (const Step& step : workload.steps) {
    if (step.phase != Phase::decode) continue;
    ++decode.steps;
    decode.most_calls = std::max(decode.most_calls, workload::count_calls(step));
    const std::uint64_t nccl = workload::count_nccl_calls(step);
    if (nccl > decode.most_nccl) decode.nccl_collectives.clear();
    decode.most_nccl = std::max(decode.most_nccl, nccl);
    for (const workload::Call& call : step.calls) {
      decode.unknown |= call.backend == workload::kNotKnown;
      if (!call.reaches_nccl()) {
        decode.backends.insert(call.backend);
      } else if (nccl == decode.most_nccl) {
        decode.nccl_collectives.insert(
            fmt::format("the {} of {}", name_of(call.collective), call.label));
      }
    }
  }
  return decode;
}

// All-reduces that NCCL ran although the table gives that size to somebody else.
std::string find_contradiction(const Workload& workload, const Account& account) {
  for (const Step& step : workload.steps) {
    for (const workload::Call& call : step.calls) {
      if (call.reaches_nccl() || call.backend == workload::kNotKnown) continue;
      for (const CallAccount& seen : account.calls) {
        if (seen.operation == name_of(call.collective) && seen.ranks == call.ranks &&
            seen.nbytes == call.nbytes && !seen.ran.empty()) {
          return fmt::format("NCCL ran {} of {} on {} ranks, which was expected to go to {}",
                             seen.operation, format_bytes(call.nbytes), call.ranks, call.backend);
        }
      }
    }
  }
  return {};
}

void add_vllm(const VllmFacts& vllm, std::vector<std::string>& facts) {
  if (!vllm.version.empty()) {
    facts.push_back(fmt::format("vLLM {}{}{}", vllm.version,
                                vllm.tp == 0 ? "" : fmt::format(", tensor parallel {}", vllm.tp),
                                vllm.model.empty() ? "" : ", model " + vllm.model));
  }
  if (!vllm.nccl.empty()) facts.push_back("vLLM uses NCCL " + vllm.nccl);
  if (!vllm.backends.empty()) {
    facts.push_back(
        fmt::format("vLLM's all-reduces of group tp may go to {}", fmt::join(vllm.backends, ", ")));
  }
  if (!vllm.custom_disabled.empty()) {
    facts.push_back("custom all-reduce is off because " + vllm.custom_disabled);
  }
}

std::string answer_of_workload(const Workload& workload, const Account& account) {
  const std::string contradiction = find_contradiction(workload, account);
  if (!contradiction.empty()) {
    return fmt::format("Yes: {}; {}.", contradiction, kCalibrate);
  }
  const Decode decode = count_decode(workload);
  if (decode.steps == 0) return "Not known: the deployment has no decode steps in graphs.";
  if (decode.unknown) {
    return "Not known: who runs the engine's all-reduces was not read; a profile counts them.";
  }
  const std::string others =
      decode.backends.empty() ? ""
                              : fmt::format(" {} run the rest.", fmt::join(decode.backends, ", "));
  if (decode.most_nccl == 0) return "No: no collective of a decode step reaches NCCL; do nothing.";
  if (decode.most_nccl == 1) {
    return fmt::format("No: one collective per step; do nothing. NCCL runs {};{}",
                       fmt::join(decode.nccl_collectives, ", "),
                       others.empty() ? " there is no other." : others);
  }
  return fmt::format("Yes: NCCL runs up to {} of {} collectives of a decode step; {}.{}",
                     decode.most_nccl, decode.most_calls, kCalibrate, others);
}

std::string answer_of_vllm(const VllmFacts& vllm) {
  if (vllm.backends == std::vector<std::string>{"PYNCCL"}) {
    return "Yes: NCCL runs every all-reduce of group tp, two a layer; --model-config FILE counts "
           "them.";
  }
  if (absent_backends(vllm).size() < 3) {
    return "Probably not: kernels of vLLM's own run the all-reduces that decoding makes, up to a "
           "size; what is left is one collective per step, the allgather of logits. --model-config "
           "FILE compares sizes.";
  }
  return "Not known: vLLM names backends that vernier does not know; a profile counts what reaches "
         "NCCL.";
}

}  // namespace

Matters does_nccl_matter(const std::optional<Workload>& workload, const VllmFacts& vllm,
                         const Account& account) {
  Matters matters;
  add_vllm(vllm, matters.facts);
  if (workload) {
    matters.facts.push_back("expected: " + workload->source);
    for (const std::string& one : workload->assumed) matters.facts.push_back("assumed: " + one);
    matters.facts.push_back(workload::verdict(*workload));
    matters.answer = answer_of_workload(*workload, account);
  } else if (!vllm.backends.empty()) {
    matters.answer = answer_of_vllm(vllm);
  }
  return matters;
}

}  // namespace vernier::joblog
