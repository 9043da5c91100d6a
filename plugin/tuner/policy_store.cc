// SPDX-License-Identifier: Apache-2.0
#include "plugin/tuner/policy_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "plugin/common/process_lifetime.hpp"

namespace vernier {
namespace {

// Errors shown in one warning: NCCL cuts a line at about 1,000 bytes. `vernier policy check` shows
// them all.
constexpr std::size_t kErrorsShown = 3;

std::string summarize(const Diagnostics& errors, std::string_view origin) {
  std::string text;
  for (std::size_t i = 0; i < errors.size() && i < kErrorsShown; ++i) {
    text += (i == 0 ? "" : " | ") + to_string(errors[i], origin);
  }
  if (errors.size() > kErrorsShown) {
    text += fmt::format(" | and {} more: vernier policy check", errors.size() - kErrorsShown);
  }
  return text;
}

struct Text {
  PolicySource source;
  std::string origin;  // for errors: a path, or "inline"
  std::string text;
  std::string problem;  // why there is no text

  friend bool operator==(const Text&, const Text&) = default;
};

// Opened without blocking and only if regular: a pipe in place of the file must not hang init.
Text read_file(std::string_view path) {
  Text result{PolicySource::path, std::string(path), {}, {}};
  const auto fail = [&result](std::string_view what) {
    result.problem = fmt::format("{}: error: {}", result.origin, what);
    return result;
  };
  const int file = open(result.origin.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return fail(std::strerror(errno));
  struct stat status {};
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(file);
    return fail("not a regular file");
  }
  // One byte more than allowed shows a file that is too long without reading all of it.
  result.text.resize(kMaxPolicyBytes + 1);
  std::size_t length = 0;
  ssize_t got = 0;
  while (length < result.text.size() &&
         (got = read(file, result.text.data() + length, result.text.size() - length)) > 0) {
    length += static_cast<std::size_t>(got);
  }
  const int read_error = errno;
  close(file);
  if (got < 0) return fail(std::strerror(read_error));
  result.text.resize(length);
  return result;
}

Text read_setting(std::string_view setting) {
  if (!setting.starts_with(kInlinePrefix)) return read_file(setting);
  Text result{PolicySource::inline_text, "inline", {}, {}};
  auto text = decode_inline(setting.substr(kInlinePrefix.size()));
  if (text) {
    result.text = std::move(*text);
  } else {
    result.problem =
        fmt::format("inline: error: what follows \"inline:\" is not base64 of at most {} bytes",
                    kMaxInlineBytes);
  }
  return result;
}

// The latest content. Communicators made from an earlier one keep it alive themselves.
struct Store {
  std::mutex mutex;
  Text latest_text;
  std::shared_ptr<LoadedPolicy> latest;
};

}  // namespace

LoadedPolicy::LoadedPolicy(PolicySource source, std::string_view origin, std::string_view text)
    : source_(source) {
  ParsedPolicy parsed = parse_policy(text);
  if (!parsed.policy) {
    problem_ = summarize(parsed.errors, origin);
    return;
  }
  policy_ = std::move(parsed.policy);
  digest_ = vernier::digest(*policy_);
}

std::shared_ptr<const DecisionTable> LoadedPolicy::table(int nranks, int nnodes,
                                                         AllGatherChannels allgather_channels) {
  const std::lock_guard lock(mutex_);
  auto& table = tables_[{nranks, nnodes, allgather_channels}];
  if (table == nullptr) {
    table = std::make_shared<const DecisionTable>(
        compile(*policy_, nranks, nnodes, allgather_channels));
  }
  return table;
}

std::shared_ptr<LoadedPolicy> load_policy(std::string_view setting) {
  static ProcessLifetime<Store> store;
  Text text = read_setting(setting);
  const std::lock_guard lock(store->mutex);
  if (store->latest == nullptr || store->latest_text != text) {
    store->latest = text.problem.empty()
                        ? std::make_shared<LoadedPolicy>(text.source, text.origin, text.text)
                        : std::make_shared<LoadedPolicy>(text.source, text.problem);
    store->latest_text = std::move(text);
  }
  return store->latest;
}

}  // namespace vernier
