// SPDX-License-Identifier: Apache-2.0
//
// Any text given as a log of NCCL or vLLM: no crash, and every line is counted once.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tools/explain/report.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vernier::joblog;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  JobEvidence evidence;
  std::uint64_t lines = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    evidence.log.add_line(text.substr(0, end));
    ++lines;
    text = end == text.npos ? std::string_view() : text.substr(end + 1);
  }
  const JobLog::Totals& totals = evidence.log.totals();
  if (totals.lines != lines || totals.nccl + totals.vllm > lines ||
      totals.told + totals.unreadable > lines) {
    std::abort();
  }
  const Account account = make_account(evidence);
  const Matters matters = does_nccl_matter({}, evidence.log.vllm(), account);
  if (text_of(evidence, account, matters).empty()) std::abort();
  (void)json_of(evidence, account, matters);
  return 0;
}
