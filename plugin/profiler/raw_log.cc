// SPDX-License-Identifier: Apache-2.0
#include "plugin/profiler/raw_log.hpp"

#include <fmt/format.h>

#include "plugin/common/log_directory.hpp"
#include "plugin/profiler/profile_text.hpp"

namespace vernier {

void RawLog::start(std::string directory, std::uint64_t max_bytes) {
  directory_ = std::move(directory);
  max_bytes_ = max_bytes;
  begin_file();
}

std::string RawLog::path() const { return log_path(directory_, fmt::format("raw{}", file_)); }

void RawLog::begin_file() {
  const ProcessName& process = process_name();
  kinds_.clear();
  written_bytes_ = 0;
  begins_ = true;
  text_ = fmt::format("{{\"vernier_raw\":1,\"host\":{},\"pid\":{},\"started_ns\":{}}}\n",
                      json_string(process.host), process.pid, process.started_ns);
}

std::string RawLog::kind_line(const Call& call, std::size_t kind) const {
  const CallKey& of = call.key.parent != nullptr ? call.key.parent->key : call.key;
  std::string communicator = "{\"communicator\":0}";
  for (const ProfiledCommunicator* const one : Recorder::instance().communicators()) {
    if (one->index == of.communicator) communicator = communicator_text(*one);
  }
  return fmt::format("{{\"kind\":{},\"of\":{},\"call\":{},\"kernel\":{}}}\n", kind, communicator,
                     call_text(of), kernel_text(call.key));
}

void RawLog::add(const Call& call, std::uint64_t start_ns, std::uint64_t stop_ns) {
  if (directory_.empty()) return;
  const auto [found, fresh] = kinds_.try_emplace(&call, kinds_.size());
  if (fresh) text_ += kind_line(call, found->second);
  text_ += fmt::format("[{},{},{}]\n", found->second, start_ns, stop_ns);
}

int RawLog::write() {
  if (directory_.empty() || text_.empty()) return 0;
  const std::string text = std::move(text_);
  text_.clear();
  const int error = begins_ ? replace_file(path(), text) : append_text(path(), text);
  begins_ = false;
  written_bytes_ += text.size();
  if (written_bytes_ > max_bytes_ / 2) {
    file_ = 1 - file_;
    begin_file();
  }
  return error;
}

}  // namespace vernier
