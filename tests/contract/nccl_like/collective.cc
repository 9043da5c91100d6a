// SPDX-License-Identifier: Apache-2.0
//
// One group end: build the table, ask the tuner, choose, run.
#include <algorithm>
#include <cstring>
#include <vector>

#include "tests/contract/nccl_like/guarded.hpp"
#include "tests/contract/nccl_like/pending.hpp"

namespace vernier::contract {

namespace {

void tell(NcclLikeOutcome& outcome, std::string_view text) {
  if (outcome.text[0] != '\0') return;
  std::memcpy(outcome.text, text.data(), std::min(text.size(), sizeof(outcome.text) - 1));
}

}  // namespace

void fail(NcclLikeOutcome& outcome, ncclResult_t result, std::string_view text) {
  tell(outcome, text);
  outcome.result = result;
}

void damage(NcclLikeOutcome& outcome, NcclLikeDamage kind, std::string_view text) {
  if (outcome.damage != NCCL_LIKE_SOUND || kind == NCCL_LIKE_SOUND) return;
  tell(outcome, text);
  outcome.damage = kind;
}

}  // namespace vernier::contract

using namespace vernier::contract;

namespace {

Operation to_operation(const ReleaseFacts& facts, const NcclLikeShape& shape,
                       const NcclLikeCall& call, bool allgatherv) {
  Operation operation{};
  operation.func = call.func;
  if (call.func == NCCL_LIKE_ALLGATHERV) {
    operation.func = allgatherv ? ncclFuncAllGather : ncclFuncBroadcast;
  }
  // Members of a group of equal collectives are merged: one question with the summed count. The
  // broadcasts of an AllGatherV count once, as the largest of them.
  operation.batch = allgatherv ? 1 : call.ops;
  const bool all_ranks =
      operation.func == ncclFuncAllGather || operation.func == ncclFuncReduceScatter;
  operation.nbytes = static_cast<std::size_t>(call.count) *
                     static_cast<std::size_t>(call.element_bytes) *
                     static_cast<std::size_t>(operation.batch) *
                     static_cast<std::size_t>(all_ranks ? shape.ranks : 1);
  const bool counts_pipe_ops = facts.selection != Selection::tuner_decides;
  operation.pipe_ops = counts_pipe_ops ? (call.ops + shape.channels - 1) / shape.channels : 1;
  operation.fp8 = call.fp8 != 0;
  return operation;
}

// 2.22 and 2.23 remember ring as a backup for when NCCL_ALGO leaves nothing.
int cheapest_ring_cell(std::span<const float> costs, int protocols) {
  int best = -1;
  for (int cell = NCCL_ALGO_RING * protocols; cell < (NCCL_ALGO_RING + 1) * protocols; ++cell) {
    const float cost = costs[static_cast<std::size_t>(cell)];
    if (cost >= 0 && (best < 0 || cost < costs[static_cast<std::size_t>(best)])) best = cell;
  }
  return best;
}

}  // namespace

void NcclLikeComm::ask(const NcclLikeCall& call, NcclLikeOutcome& outcome) {
  outcome = {};
  outcome.default_algorithm = outcome.default_protocol = -1;
  outcome.algorithm = outcome.protocol = -1;
  outcome.tuner_algorithm = outcome.tuner_protocol = -1;
  if (shape_.ranks == 1) return;  // a copy is launched, the tuner is not asked
  if (bypasses_tuner(facts_, shape_, call.ops, call.symmetric_us)) {
    outcome.symmetric = 1;
    return;
  }
  const bool allgatherv = call.func == NCCL_LIKE_ALLGATHERV && facts_.groups_allgatherv;
  const Pending pending{call, to_operation(facts_, shape_, call, allgatherv),
                        call.algorithms == 0 ? facts_.algorithms : call.algorithms,
                        call.protocols == 0 ? 3 : call.protocols, allgatherv};
  outcome.algorithms = pending.algorithms;
  outcome.protocols = pending.protocols;
  if (pending.cells() > NCCL_LIKE_MAX_CELLS) {
    return fail(outcome, ncclInvalidArgument, "the table is too large for this host");
  }

  GuardedFloats guarded(pending.cells());
  const std::span<float> table = guarded.floats();
  if (call.model != nullptr) {
    std::copy_n(call.model, table.size(), table.begin());
  } else {
    predict(shape_, pending.operation, pending.algorithms, pending.protocols, table);
  }
  std::vector<float> unrestricted(table.begin(), table.end());
  restrict_table(facts_, shape_, pending.operation, env_, pending.algorithms, pending.protocols,
                 table);
  std::copy(table.begin(), table.end(), outcome.before);
  const std::span<const float> before(outcome.before, table.size());

  if (tuner_.abi() != 0) ask_tuner(pending, table, outcome);
  if (!guarded.intact()) {
    damage(outcome, NCCL_LIKE_WROTE_OUTSIDE, "the tuner wrote beside the cost table");
  }
  std::copy(table.begin(), table.end(), outcome.after);
  // Propagated in every release, whatever the comment in NCCL's header says.
  if (outcome.tuner_result != ncclSuccess) {
    return fail(outcome, static_cast<ncclResult_t>(outcome.tuner_result), "the tuner failed");
  }

  const Selected alone = select_cell(facts_, before, before, call.symmetric_us);
  if (alone.cell >= 0) {
    outcome.default_algorithm = alone.cell / pending.protocols;
    outcome.default_protocol = alone.cell % pending.protocols;
    outcome.default_channels =
        default_channels(shape_, pending.operation,
                         {outcome.default_algorithm, outcome.default_protocol, allgatherv});
  }
  if (outcome.tuner_algorithm >= 0 && outcome.tuner_protocol >= 0) {
    choose_as_tuner_said(pending, before, outcome);
  } else {
    choose(pending, before, table, outcome);
  }
  if (outcome.ran == 0 && outcome.symmetric == 0 && facts_.ring_backup) {
    const int backup = cheapest_ring_cell(unrestricted, pending.protocols);
    if (backup >= 0) run(pending, backup, outcome);
  }
  if (outcome.ran == 0 && outcome.symmetric == 0) {
    fail(outcome, env_.is_set ? ncclInvalidUsage : ncclInternalError,
         "no algorithm and protocol available");
  }
}

void NcclLikeComm::ask_tuner(const Pending& pending, std::span<float> table,
                             NcclLikeOutcome& outcome) {
  if (facts_.selection == Selection::tuner_decides) return ask_tuner_v2(pending, table, outcome);
  // 1 in captures too: NCCL_GRAPH_REGISTER, on by default, may register buffers later.
  outcome.tuner_reg_buff = pending.call.registered != 0 || pending.call.captured != 0;
  const Question question{
      pending.operation.func, pending.operation.nbytes, pending.operation.pipe_ops, table,
      pending.algorithms,     pending.protocols,        outcome.tuner_reg_buff};
  int channels[3] = {-77, 0, -77};  // only the middle one is the tuner's
  outcome.tuner_result = tuner_.get_coll_info(question, &channels[1]);
  outcome.tuner_channels = channels[1];
  outcome.tuner_calls = 1;
  outcome.tuner_nbytes = question.nbytes;
  outcome.tuner_pipe_ops = question.pipe_ops;
  if (channels[0] != -77 || channels[2] != -77) {
    damage(outcome, NCCL_LIKE_WROTE_OUTSIDE, "the tuner wrote beside nChannels");
  }
}

// 2.21 asks twice for one operation; the second answer counts.
void NcclLikeComm::ask_tuner_v2(const Pending& pending, std::span<float> table,
                                NcclLikeOutcome& outcome) {
  const Question question{pending.operation.func,
                          pending.operation.nbytes,
                          pending.operation.pipe_ops,
                          table,
                          pending.algorithms,
                          pending.protocols,
                          0};
  for (int call = 0; call < 2 && outcome.tuner_result == ncclSuccess; ++call) {
    int channels = 0;
    int algorithm = -1;
    int protocol = -1;
    outcome.tuner_result = tuner_.get_coll_info_v2(question, &algorithm, &protocol, &channels);
    outcome.tuner_algorithm = algorithm;
    outcome.tuner_protocol = protocol;
    outcome.tuner_channels = channels;
    ++outcome.tuner_calls;
  }
  outcome.tuner_nbytes = question.nbytes;
  outcome.tuner_pipe_ops = question.pipe_ops;
}

void NcclLikeComm::choose(const Pending& pending, std::span<const float> before,
                          std::span<const float> after, NcclLikeOutcome& outcome) const {
  const Selected selected = select_cell(facts_, before, after, pending.call.symmetric_us);
  outcome.symmetric = selected.symmetric;
  if (selected.cell < 0) return;
  if (before[static_cast<std::size_t>(selected.cell)] < 0) {
    damage(outcome, NCCL_LIKE_NO_SUCH_KERNEL, "a combination that cannot run was chosen");
  }
  run(pending, selected.cell, outcome);
}

// 2.21 takes the plugin's word, unchecked.
void NcclLikeComm::choose_as_tuner_said(const Pending& pending, std::span<const float> before,
                                        NcclLikeOutcome& outcome) const {
  const int cell = outcome.tuner_algorithm * pending.protocols + outcome.tuner_protocol;
  const bool exists =
      outcome.tuner_algorithm < pending.algorithms && outcome.tuner_protocol < pending.protocols;
  if (!exists || before[static_cast<std::size_t>(cell)] < 0) {
    damage(outcome, NCCL_LIKE_NO_SUCH_KERNEL, "a combination that cannot run was chosen");
  }
  run(pending, cell, outcome);
}

void NcclLikeComm::run(const Pending& pending, int cell, NcclLikeOutcome& outcome) const {
  Ran ran{cell / pending.protocols, cell % pending.protocols, pending.allgatherv};
  // The algorithm is ignored there; protocol and channels are used.
  if (pending.allgatherv) ran.algorithm = NCCL_ALGO_RING;
  outcome.ran = 1;
  outcome.algorithm = ran.algorithm;
  outcome.protocol = ran.protocol;
  const int by_default = default_channels(shape_, pending.operation, ran);
  const Channels channels = apply_channels(facts_, shape_, ran, by_default, outcome.tuner_channels);
  outcome.channels = channels.channels;
  damage(outcome, channels.damage, "the channel number is out of range");
  if (channels.damage == NCCL_LIKE_SOUND) cut_into_chunks(pending, outcome);
}
