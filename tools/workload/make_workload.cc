// SPDX-License-Identifier: Apache-2.0
//
// The formulas: which calls a step of so many tokens makes, and of how many bytes.
#include <fmt/format.h>

#include <algorithm>

#include "tools/common/json_members.hpp"
#include "tools/workload/capture_sizes.hpp"
#include "tools/workload/routes.hpp"
#include "tools/workload/workload.hpp"

namespace vernier::workload {
namespace {

constexpr std::uint64_t kVocabularyPadding = 64;  // vLLM, vocab_parallel_embedding.py
constexpr std::uint64_t kIdBytes = 4;  // int32 expert ids, fp32 weights and router logits
constexpr int kAssumedCapability = 90;
// vLLM's sequence-parallel pass: hidden sizes from this on, and bytes a GPU.
constexpr std::uint64_t kSequenceParallelHiddenSize = 8192;

std::uint64_t padded(std::uint64_t value, std::uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

std::string capability_text(int capability) {
  return fmt::format("{}.{}", capability / 10, capability % 10);
}

class Maker {
 public:
  Maker(const Model& model, const Deployment& deployment) : model_(model), asked_(deployment) {
    check();
    if (asked_.moe_hidden_size == 0) asked_.moe_hidden_size = model.moe_hidden_size;
    assume();
  }

  Workload make() {
    for (const std::uint64_t tokens : capture_sizes(asked_)) {
      workload_.steps.push_back(make_step(Phase::decode, tokens));
    }
    const std::uint64_t prefill = asked_.max_num_batched_tokens;
    if (workload_.steps.empty() || prefill > workload_.steps.back().tokens) {
      workload_.steps.push_back(make_step(Phase::prefill, prefill));
    }
    workload_.sizes = sizes_of(workload_.steps);
    workload_.source = fmt::format(
        "{} ({} layers of {}), {}, {}, routes of {}", model_.type, model_.layers,
        model_.hidden_size,
        asked_.dp > 1 ? fmt::format("dp {}", asked_.dp) : fmt::format("tp {}", asked_.tp),
        name_of(asked_.engine), kRoutesVersion);
    return std::move(workload_);
  }

 private:
  void check() const {
    if (asked_.tp == 1 && asked_.dp == 1) {
      throw Malformed("nothing is sent by one rank: --tp or --dp has to be above 1");
    }
    if (asked_.tp > 1 && asked_.dp > 1) {
      throw Malformed(
          "--tp and --dp above 1 together: which ranks then exchange tokens is not known here");
    }
    if (asked_.dp > 1 && model_.moe_layers == 0) {
      throw Malformed(fmt::format(
          "--dp {}: the model has no experts, so its replicas send each other nothing", asked_.dp));
    }
    if (asked_.moe_hidden_size != 0 && model_.moe_layers == 0) {
      throw Malformed("--moe-hidden-size: the model has no experts");
    }
    if (asked_.moe_hidden_size != 0 && asked_.moe_hidden_size < model_.hidden_size) {
      throw Malformed(fmt::format("--moe-hidden-size {}: less than \"hidden_size\", which is {}",
                                  asked_.moe_hidden_size, model_.hidden_size));
    }
    const int group = std::max(asked_.tp, asked_.dp);
    if (group % asked_.nodes != 0) {
      throw Malformed(
          fmt::format("{} ranks cannot be spread evenly over {} nodes", group, asked_.nodes));
    }
  }

  void assume() {
    std::vector<std::string>& assumed = workload_.assumed;
    assumed = model_.assumed;
    const bool routed = asked_.engine != Engine::all_nccl && asked_.nodes == 1 && asked_.tp > 1;
    if (asked_.capability == 0) {
      asked_.capability = kAssumedCapability;
      assumed.push_back("compute capability 9.0 (H100, H200): --compute-capability says another");
    }
    const bool has_nvlink =
        asked_.capability / 10 == 9 || asked_.capability / 10 == 10 || asked_.capability == 80;
    const bool seen = asked_.links.has_value();
    if (!seen) asked_.links = has_nvlink ? Links::nvlink : Links::pcie;
    if (routed) assume_routes(seen);
    if (asked_.engine == Engine::sglang) {
      assumed.push_back("the graph sizes and calls of vLLM: those of SGLang were not read");
    }
    if (asked_.spec_tokens > 0) assumed.push_back("without the calls of a draft model");
    if (asked_.sequence_parallel && model_.hidden_size < kSequenceParallelHiddenSize) {
      assumed.push_back(
          fmt::format("no sequence parallelism: vLLM begins at a hidden size of {}, this one is {}",
                      kSequenceParallelHiddenSize, model_.hidden_size));
    } else if (asked_.sequence_parallel && sequence_parallel_bytes() == 0) {
      assumed.push_back(fmt::format(
          "no sequence parallelism: from which size vLLM uses it on compute capability {} is not "
          "known",
          capability_text(asked_.capability)));
    }
    if (asked_.dp > 1) {
      assumed.push_back(
          "dispatch by allgather and reducescatter, vLLM's default, of unquantised tokens, as many "
          "on each rank");
    }
  }

  void assume_routes(bool seen) {
    std::vector<std::string>& assumed = workload_.assumed;
    for (const std::string& backend : asked_.absent_backends) {
      assumed.push_back(fmt::format("no {}: the engine did not list it at its start", backend));
    }
    if (!is_known_capability(asked_.capability)) {
      assumed.push_back(fmt::format(
          "compute capability {} is in no table of limits: treated as 8.0, 8.6, 8.9 and 12.x are",
          capability_text(asked_.capability)));
    }
    const std::string hint = seen ? "" : ": --links says otherwise";
    if (asked_.links == Links::nvlink) {
      assumed.push_back("NVLink between all pairs, through switches that multicast" + hint);
    } else if (!seen) {
      assumed.push_back("PCIe, over which the GPUs reach each other (P2P)" + hint);
    }
  }

  // Bytes a GPU from which vLLM splits all-reduces; 0: it does not, or that is not known.
  [[nodiscard]] std::uint64_t sequence_parallel_bytes() const {
    if (model_.hidden_size < kSequenceParallelHiddenSize) return 0;
    if (asked_.capability == 90) return 8 * kMib;
    return asked_.capability == 100 ? 32 * kMib : 0;
  }

  Step make_step(Phase phase, std::uint64_t tokens) {
    step_ = {phase, tokens, {}};
    if (asked_.tp > 1) add_tensor_parallel();
    if (asked_.dp > 1) add_expert_parallel();
    return std::move(step_);
  }

  void add_tensor_parallel() {
    const std::uint64_t token_bytes = model_.hidden_size * model_.element_bytes;
    const std::uint64_t moe_token_bytes = asked_.moe_hidden_size * model_.element_bytes;
    add_allreduce(token_bytes, 1, "embedding");
    add_layers(token_bytes, model_.layers, "attention output");
    add_layers(token_bytes, model_.layers - model_.moe_layers, "MLP");
    add_layers(moe_token_bytes, model_.moe_layers, "MoE");
    // How many sequences end a prefill step is not known; and vLLM computes logits of those alone.
    if (step_.phase == Phase::prefill) return;
    const std::uint64_t sampled =
        std::min(step_.tokens, asked_.max_num_seqs * (1 + asked_.spec_tokens));
    const std::uint64_t vocabulary = padded(model_.vocabulary, kVocabularyPadding);
    add(Collective::allgather, sampled * vocabulary * model_.element_bytes, 1, false, "logits",
        kNccl);
  }

  // After attention or MLP: an all-reduce, or what sequence parallelism makes of it.
  void add_layers(std::uint64_t token_bytes, std::uint64_t layers, const char* label) {
    const std::uint64_t from = sequence_parallel_bytes();
    const std::uint64_t nbytes = step_.tokens * token_bytes;
    const auto ranks = static_cast<std::uint64_t>(asked_.tp);
    if (!asked_.sequence_parallel || from == 0 || nbytes / ranks < from) {
      add_allreduce(token_bytes, layers, label);
      return;
    }
    const bool captured = step_.phase == Phase::decode;
    for (const Collective half : {Collective::reducescatter, Collective::allgather}) {
      add(half, nbytes, layers, captured, label, kNccl);
    }
  }

  void add_expert_parallel() {
    const auto ranks = static_cast<std::uint64_t>(asked_.dp);
    const std::uint64_t tokens = step_.tokens * ranks;  // of all ranks
    const std::uint64_t hidden_bytes = tokens * model_.hidden_size * model_.element_bytes;
    add_exchange(Collective::allgather, hidden_bytes, "MoE dispatch, tokens");
    if (asked_.router == Router::topk) {
      const std::uint64_t nbytes = tokens * model_.experts_per_token * kIdBytes;
      add_exchange(Collective::allgather, nbytes, "MoE dispatch, expert ids");
      add_exchange(Collective::allgather, nbytes, "MoE dispatch, expert weights");
    } else {
      add_exchange(Collective::allgather, tokens * model_.experts * kIdBytes,
                   "MoE dispatch, router logits");
    }
    add_exchange(Collective::reducescatter, hidden_bytes, "MoE combine");
  }

  // One in each layer with experts. Groups other than vLLM's `tp` have no kernels but NCCL's.
  void add_exchange(Collective collective, std::uint64_t nbytes, const char* label) {
    add(collective, nbytes, model_.moe_layers, step_.phase == Phase::decode, label,
        asked_.engine == Engine::sglang ? kNotKnown : kNccl);
  }

  void add_allreduce(std::uint64_t token_bytes, std::uint64_t calls, const char* label) {
    const std::uint64_t nbytes = step_.tokens * token_bytes;
    const bool bfloat16 = model_.bfloat16;
    const Route* const route =
        find_route({asked_.engine, *asked_.links, asked_.capability, asked_.tp, asked_.nodes,
                    nbytes, bfloat16, asked_.absent_backends});
    add(Collective::allreduce, nbytes, calls, step_.phase == Phase::decode, label,
        route != nullptr ? route->backend : kNccl);
  }

  void add(Collective collective, std::uint64_t nbytes, std::uint64_t calls, bool captured,
           const char* label, std::string_view backend) {
    if (calls == 0) return;
    const int ranks = std::max(asked_.tp, asked_.dp);
    step_.calls.push_back(
        {collective, nbytes, ranks, asked_.nodes, calls, captured, label, std::string(backend)});
  }

  const Model& model_;
  Deployment asked_;  // with what was assumed
  Workload workload_;
  Step step_{};
};

}  // namespace

Workload make_workload(const Model& model, const Deployment& deployment) {
  return Maker(model, deployment).make();
}

}  // namespace vernier::workload
