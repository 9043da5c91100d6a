// SPDX-License-Identifier: Apache-2.0
//
// Calls a tuner through whichever ABI version was found, as NCCL's own wrappers do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tests/contract/nccl_like/api.h"
#include "tests/contract/nccl_like/loader.hpp"

namespace vernier::contract {

// One question. `table` is contiguous [algorithms][protocols].
struct Question {
  ncclFunc_t func;
  std::size_t nbytes;
  int pipe_ops;
  std::span<float> table;
  int algorithms;
  int protocols;
  int reg_buff;
};

class TunerAdapter {
 public:
  TunerAdapter() = default;
  explicit TunerAdapter(LoadedTuner tuner) : tuner_(tuner) {}

  [[nodiscard]] int abi() const { return tuner_.abi; }
  [[nodiscard]] void* context() const { return context_; }

  // Whether the last init changed what it was only lent.
  [[nodiscard]] bool constants_written() const { return constants_written_; }

  [[nodiscard]] ncclResult_t init(const NcclLikeShape& shape);
  [[nodiscard]] ncclResult_t get_coll_info(const Question& question, int* channels) const;
  // 2.21: no table; -1 stays where the tuner leaves the choice to NCCL.
  [[nodiscard]] ncclResult_t get_coll_info_v2(const Question& question, int* algorithm,
                                              int* protocol, int* channels) const;
  ncclResult_t finalize();

  [[nodiscard]] bool has_chunk_size() const;
  [[nodiscard]] ncclResult_t get_chunk_size(ncclFunc_t func, std::size_t nbytes, int algorithm,
                                            int protocol, int channels,
                                            std::size_t* chunk_size) const;

 private:
  template <typename Struct>
  [[nodiscard]] const Struct& as() const {
    return *static_cast<const Struct*>(tuner_.symbol);
  }
  [[nodiscard]] ncclResult_t init_with_constants(const NcclLikeShape& shape);

  LoadedTuner tuner_;
  void* context_ = nullptr;
  bool constants_written_ = false;
};

}  // namespace vernier::contract
