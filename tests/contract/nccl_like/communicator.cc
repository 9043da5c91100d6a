// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/nccl_like/communicator.hpp"

#include <algorithm>
#include <optional>

#include "tests/contract/nccl_like/loader.hpp"

using namespace vernier::contract;

NcclLikeComm::NcclLikeComm(const ReleaseFacts& facts, const NcclLikeShape& shape)
    : facts_(facts), shape_(shape) {
  shape_.channels = std::min(shape.channels, facts.max_channels);
  shape_.nvls_channels = std::min(shape.nvls_channels, facts.max_channels);
}

std::unique_ptr<NcclLikeComm> NcclLikeComm::create(const ReleaseFacts& facts,
                                                   const NcclLikeShape& shape,
                                                   ncclResult_t& result) {
  std::unique_ptr<NcclLikeComm> comm(new NcclLikeComm(facts, shape));
  const std::optional<EnvSelection> env = read_env_selection(facts.env_grammar);
  if (!env) {
    result = ncclInvalidUsage;
    return nullptr;
  }
  comm->env_ = *env;
  comm->tuner_ = TunerAdapter(acquire_tuner(facts, comm->opened_here_));
  // Also with one rank. A tuner that fails fails the communicator (2.19 to 2.32).
  if (comm->tuner_.abi() != 0) comm->init_result_ = comm->tuner_.init(shape);
  result = comm->init_result_;
  return result == ncclSuccess ? std::move(comm) : nullptr;
}

NcclLikeComm::~NcclLikeComm() {
  // No finalize after a failed init: NCCL's wrappers would call a null pointer there.
  if (tuner_.abi() != 0 && init_result_ == ncclSuccess) tuner_.finalize();
  if (opened_here_) release_tuner(facts_);
}

void NcclLikeComm::describe(NcclLikeCommFacts& facts) const {
  facts.abi = tuner_.abi();
  facts.context = tuner_.context();
  facts.init_result = init_result_;
  facts.constants_written = tuner_.constants_written();
  facts.has_chunk_size = tuner_.has_chunk_size();
}
