// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/nccl_like/tuner_adapter.hpp"

#include "tests/contract/nccl_like/guarded.hpp"
#include "tests/contract/nccl_like/logger.hpp"
#include "vernier/abi/nccl_tuner.h"

namespace vernier::contract {
namespace {

constexpr float kIgnore = -1.0f;  // NCCL_ALGO_PROTO_IGNORE

// Numbers of no meaning, all different, so that any edit shows.
ncclTunerConstants_v5_t some_constants() {
  ncclTunerConstants_v5_t constants;
  double* const values = &constants.baseLatencies[0][0];
  for (std::size_t i = 0; i < sizeof(constants) / sizeof(double); ++i) {
    values[i] = 1.0 + 0.25 * static_cast<double>(i);
  }
  return constants;
}

}  // namespace

ncclResult_t TunerAdapter::init_with_constants(const NcclLikeShape& shape) {
  const ncclTunerConstants_v5_t constants = some_constants();
  const int per_node = shape.ranks / shape.nodes;
  const ncclNvlDomainInfo_v5_t domains = {shape.nodes, per_node, per_node};
  // Both are NCCL's stack or communicator: they are lent for the time of the call only.
  LentCopy lent_constants(&constants, sizeof(constants));
  LentCopy lent_domains(&domains, sizeof(domains));
  const auto init = tuner_.abi == 6 ? as<ncclTuner_v6_t>().init : as<ncclTuner_v5_t>().init;
  const ncclResult_t result = init(&context_, shape.comm_id, static_cast<std::size_t>(shape.ranks),
                                   static_cast<std::size_t>(shape.nodes), logger(),
                                   static_cast<ncclNvlDomainInfo_v5_t*>(lent_domains.data()),
                                   static_cast<ncclTunerConstants_v5_t*>(lent_constants.data()));
  constants_written_ = !lent_constants.equals(&constants, sizeof(constants)) ||
                       !lent_domains.equals(&domains, sizeof(domains));
  return result;
}

ncclResult_t TunerAdapter::init(const NcclLikeShape& shape) {
  const auto ranks = static_cast<std::size_t>(shape.ranks);
  const auto nodes = static_cast<std::size_t>(shape.nodes);
  switch (tuner_.abi) {
    case 2: return as<ncclTuner_v2_t>().init(ranks, nodes, logger(), &context_);
    case 3: return as<ncclTuner_v3_t>().init(ranks, nodes, logger(), &context_);
    case 4: return as<ncclTuner_v4_t>().init(ranks, nodes, logger(), &context_);
    default: return init_with_constants(shape);
  }
}

ncclResult_t TunerAdapter::get_coll_info(const Question& question, int* channels) const {
  const Question& q = question;
  // The table's address, cast: not an array of pointers.
  auto* const table = reinterpret_cast<float**>(q.table.data());
  switch (tuner_.abi) {
    case 2: {
      // The wrapper of 2.22+: the choice becomes a 0 in its cell, or is dropped silently.
      int algorithm = -1;
      int protocol = -1;
      const ncclResult_t result = get_coll_info_v2(q, &algorithm, &protocol, channels);
      if (result != ncclSuccess || algorithm < 0 || protocol < 0) return result;
      float& cell = q.table[static_cast<std::size_t>(algorithm * q.protocols + protocol)];
      if (cell != kIgnore) cell = 0.0f;
      return result;
    }
    case 3:
      return as<ncclTuner_v3_t>().getCollInfo(context_, q.func, q.nbytes, q.pipe_ops, table,
                                              q.algorithms, q.protocols, channels);
    case 4:
      return as<ncclTuner_v4_t>().getCollInfo(context_, q.func, q.nbytes, q.pipe_ops, table,
                                              q.algorithms, q.protocols, q.reg_buff, channels);
    case 5:
      return as<ncclTuner_v5_t>().getCollInfo(context_, q.func, q.nbytes, q.pipe_ops, table,
                                              q.algorithms, q.protocols, q.reg_buff, channels);
    default:
      return as<ncclTuner_v6_t>().getCollInfo(context_, q.func, q.nbytes, q.pipe_ops, table,
                                              q.algorithms, q.protocols, q.reg_buff, channels);
  }
}

ncclResult_t TunerAdapter::get_coll_info_v2(const Question& question, int* algorithm, int* protocol,
                                            int* channels) const {
  const auto simple_is_usable = [&question](int row) {
    return question.table[static_cast<std::size_t>(row * question.protocols + NCCL_PROTO_SIMPLE)] >=
           0;
  };
  const bool collnet = simple_is_usable(NCCL_ALGO_COLLNET_CHAIN);
  const bool nvls = simple_is_usable(NCCL_ALGO_NVLS) || simple_is_usable(NCCL_ALGO_NVLS_TREE);
  return as<ncclTuner_v2_t>().getCollInfo(context_, question.func, question.nbytes, collnet, nvls,
                                          question.pipe_ops, algorithm, protocol, channels);
}

ncclResult_t TunerAdapter::finalize() {
  switch (tuner_.abi) {
    case 2: return as<ncclTuner_v2_t>().destroy(context_);
    case 3: return as<ncclTuner_v3_t>().destroy(context_);
    case 4: return as<ncclTuner_v4_t>().destroy(context_);
    case 5: return as<ncclTuner_v5_t>().finalize(context_);
    default: return as<ncclTuner_v6_t>().finalize(context_);
  }
}

bool TunerAdapter::has_chunk_size() const {
  return tuner_.abi == 6 && as<ncclTuner_v6_t>().getChunkSize != nullptr;
}

ncclResult_t TunerAdapter::get_chunk_size(ncclFunc_t func, std::size_t nbytes, int algorithm,
                                          int protocol, int channels,
                                          std::size_t* chunk_size) const {
  return as<ncclTuner_v6_t>().getChunkSize(context_, func, nbytes, algorithm, protocol, channels,
                                           chunk_size);
}

}  // namespace vernier::contract
