// SPDX-License-Identifier: Apache-2.0
//
// Formats: NCCL's sources, src/init.cc, enqueue.cc, tuning/tuning.cc, plugin/tuner.cc of the
// releases that nccl_line.hpp names; ours: plugin/tuner.
#include "tools/nccl_log/nccl_line.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "vernier/operations.hpp"
#include "vernier/reason.hpp"

namespace vernier::nccl_log {
namespace {

constexpr std::size_t kMaxText = 400;  // of what is kept of a line: paths, details

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

std::string kept(std::string_view text) { return std::string(text.substr(0, kMaxText)); }

// What stands behind `key`, or nothing.
std::optional<std::string_view> behind(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  return text.substr(at + key.size());
}

// The word behind `key`: up to a blank or to what closes a list; empty where there is none.
std::string_view word(std::string_view text, std::string_view key) {
  const auto rest = behind(text, key);
  return rest ? rest->substr(0, rest->find_first_of(" ,;]}")) : std::string_view();
}

template <typename T>
std::optional<T> number(std::string_view digits, int base = 10) {
  T value{};
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value, base);
  if (error != std::errc() || stop != end || digits.empty()) return std::nullopt;
  return value;
}

template <typename T>
std::optional<T> number_behind(std::string_view text, std::string_view key, int base = 10) {
  return number<T>(word(text, key), base);
}

constexpr int kMaxRanks = 1 << 24;
bool is_shape(std::optional<int> rank, std::optional<int> ranks) {
  return rank && ranks && *ranks >= 1 && *ranks <= kMaxRanks && *rank >= 0 && *rank < *ranks;
}

// "AllReduce" as "allreduce"; empty for a word that is no call of NCCL.
std::string operation_of(std::string_view word) {
  std::string name = lower(word);
  return std::find(kOperationNames.begin(), kOperationNames.end(), name) == kOperationNames.end()
             ? std::string()
             : name;
}

// A name, or (to 2.23) its number.
template <typename Enum, std::size_t N>
std::optional<Enum> name_or_number(const std::array<std::string_view, N>& names,
                                   std::string_view word) {
  const auto index = number<std::size_t>(word);
  if (index) return *index < N ? std::optional(static_cast<Enum>(*index)) : std::nullopt;
  return find_name<Enum>(names, lower(word));
}

std::optional<Choice> choice_of(std::string_view algorithm, std::string_view protocol) {
  const auto a = name_or_number<Algorithm>(kAlgorithmNames, algorithm);
  const auto p = name_or_number<Protocol>(kProtocolNames, protocol);
  return a && p ? std::optional(Choice{*a, *p}) : std::nullopt;
}

// Of "channel{Lo..Hi}={0..3}".
std::optional<int> channels_of(std::string_view text) {
  const std::string_view range = word(text, "}={");
  const std::size_t dots = range.find("..");
  if (dots == std::string_view::npos) return std::nullopt;
  const auto low = number<int>(range.substr(0, dots));
  const auto high = number<int>(range.substr(dots + 2));
  if (!low || !high || *low < 0 || *high < *low || *high > 255) return std::nullopt;
  return *high - *low + 1;
}

Event parse_selection(std::string_view text) {
  const std::size_t at = text.find(" Bytes -> ");
  const std::string_view what = text.substr(at + 10);
  std::string_view who = text.substr(0, at);
  const std::size_t blank = who.rfind(' ');
  const auto nbytes = number<std::uint64_t>(who.substr(blank + 1));  // npos + 1 is 0
  Selection result{{}, nbytes.value_or(0), true, Selection::Path::table, {}, 0, {}};
  if (!nbytes) return Torn{};
  if (blank != std::string_view::npos) {
    who = who.substr(0, blank);
    if (!who.ends_with(':')) return Torn{};
    who.remove_suffix(1);
    if (who.ends_with(" [Symmetric]")) result.path = Selection::Path::symmetric;
    if (who.ends_with(" [Copy Engine]")) result.path = Selection::Path::copy_engine;
    if (result.path != Selection::Path::table) who = who.substr(0, who.find(" ["));
    result.operation = operation_of(who);
    if (result.operation.empty()) return Torn{};
  }
  if (result.path == Selection::Path::copy_engine) return result;
  if (result.path == Selection::Path::symmetric) {
    result.kernel = kept(word(what, "Kernel "));
    result.channels = number_behind<int>(what, "nchannels ").value_or(0);
    if (result.kernel.empty()) return Torn{};
    return result;
  }
  result.choice = choice_of(word(what, "Algo "), word(what, " proto "));
  if (!result.choice) return Torn{};
  result.of_one_rank = what.find(" time ") == std::string_view::npos;
  if (result.of_one_rank) {
    const auto channels = channels_of(what);
    if (!channels) return Torn{};
    result.channels = *channels;
  }
  return result;
}

Event parse_input(std::string_view text) {
  const std::string operation = operation_of(word(text, ".func = "));
  const auto nbytes = number_behind<std::uint64_t>(text, ".nBytes = ");
  if (operation.empty() || !nbytes) return Torn{};
  return TuningInput{kept(word(text, ".comm = ")), operation, *nbytes};
}

// Of symmetric kernels and copy engines a line of their own follows.
Event parse_best(std::string_view text) {
  const auto choice = choice_of(word(text, ".algo = "), word(text, ".proto = "));
  const auto channels = number_behind<int>(text, " nChannels = ");
  const std::string_view kernel = word(text, ".symKernelId = ");
  if (kernel.empty() || !channels) return Torn{};
  if (!choice || kernel != "Count") return std::monostate{};
  return BestTuning{*choice, std::clamp(*channels, 0, 255)};
}

Event parse_api_call(std::string_view text) {
  ApiCall call;
  call.operation = operation_of(text.substr(0, text.find(": opCount ")));
  const auto op_count = number_behind<std::uint64_t>(text, ": opCount ", 16);
  const auto count = number_behind<std::uint64_t>(text, " count ");
  const auto type = number_behind<int>(text, " datatype ");
  const auto reduction = number_behind<int>(text, " op ");
  const auto root = number_behind<int>(text, " root ");
  const auto ranks = number_behind<int>(text, " [nranks=");
  call.address = kept(word(text, " comm "));
  if (call.operation.empty() || !op_count || !count || !type || !reduction || !root ||
      !is_shape(0, ranks) || call.address.empty()) {
    return Torn{};
  }
  call.op_count = *op_count;
  call.count = *count;
  call.data_type = *type;
  call.reduction = *reduction;
  call.root = *root;
  call.ranks = *ranks;
  return call;
}

Event parse_init(std::string_view text) {
  const auto rank = number_behind<int>(text, " rank ");
  const auto ranks = number_behind<int>(text, " nranks ");
  const std::string_view address = word(text, "comm ");
  if (!is_shape(rank, ranks) || address.empty()) return Torn{};
  return InitLine{kept(address), *rank, *ranks, kept(word(text, " commId ")),
                  text.find("Init START") != std::string_view::npos};
}

Event parse_shape(std::string_view text) {
  const auto ranks = number_behind<int>(text, " nRanks ");
  const auto nodes = number_behind<int>(text, " nNodes ");
  const std::string_view address = word(text, "comm ");
  if (!is_shape(0, ranks) || !is_shape(0, nodes) || address.empty()) return Torn{};
  return ShapeLine{kept(address), *ranks, *nodes};
}

// "Using NAME (v5)" (2.27), "Using tuner plugin NAME" (2.21), "Could not find: NAMES.",
// "Plugin load returned 2 : ... : when loading NAME", "Using internal tuner plugin."
Event parse_tuner_plugin(std::string_view text) {
  using State = TunerPlugin::State;
  if (const auto names = behind(text, "Could not find: ")) {
    return TunerPlugin{State::not_found, kept(names->substr(0, names->find(". ")))};
  }
  if (const auto name = behind(text, "when loading ")) {
    return TunerPlugin{State::not_found, kept(*name)};
  }
  if (text.find("nternal tuner") != std::string_view::npos) return TunerPlugin{State::internal, {}};
  for (const std::string_view key : {"Using tuner plugin ", "Using "}) {
    if (const auto name = behind(text, key)) {
      return TunerPlugin{State::loaded, kept(name->substr(0, name->find(" (v")))};
    }
  }
  return std::monostate{};
}

bool is_reason(std::string_view word) {
  return std::find(kReasonNames.begin(), kReasonNames.end(), word) != kReasonNames.end();
}

Event parse_report(std::string_view text) {
  TunerReport report;
  report.nccl = kept(word(text, ", NCCL "));
  const std::string_view digest = word(text, "\" sha256:");
  if (!digest.empty()) report.digest = "sha256:" + kept(digest);
  const auto active = number_behind<int>(text, ", rules active ");
  const auto rules = number_behind<int>(behind(text, ", rules active ").value_or(""), " of ");
  report.mode = kept(word(text, ", mode "));
  std::string_view reason = behind(text, ", reason ").value_or("");
  const std::size_t colon = std::min(reason.find(": "), reason.size());
  if (colon < reason.size()) report.detail = kept(reason.substr(colon + 2));
  report.reason = kept(reason.substr(0, colon));
  if (!active || !rules || !is_reason(report.reason)) return Torn{};
  report.active_rules = *active;
  report.rules = *rules;
  return report;
}

Event parse_observed(std::string_view text) {
  const std::string operation = operation_of(word(text, "observed "));
  const auto nbytes = number_behind<std::uint64_t>(text, " of ");
  const std::string_view choice = word(text, " for ");
  const std::string_view reason = word(text, " would have been: ");
  if (operation.empty() || !nbytes || choice.empty() || !is_reason(reason)) return Torn{};
  return Observed{operation, *nbytes, kept(choice), kept(reason)};
}

Event parse_ours(const Line& line, std::string_view text) {
  if (line.warning) {
    constexpr std::string_view kInert = "rules do not apply (";
    std::string reason;
    if (text.starts_with(kInert)) {
      reason = kept(text.substr(kInert.size(), text.find(')') - kInert.size()));
      text = behind(text, "): ").value_or("");
    }
    return PluginWarning{is_reason(reason) ? reason : "", kept(text)};
  }
  if (text.starts_with("observed ")) return parse_observed(text);
  if (text.starts_with("vernier ")) return parse_report(text);
  return std::monostate{};
}

std::optional<TunerPlugin> find_loaded(std::string_view text) {
  using State = TunerPlugin::State;
  constexpr std::string_view kExternal = "External tuner plugin ";
  if (const auto path = behind(text, "Successfully loaded external tuner plugin ")) {
    return TunerPlugin{State::at_path, kept(*path)};
  }
  if (text.starts_with(kExternal)) {
    const std::string_view rest = text.substr(kExternal.size());
    return TunerPlugin{State::unsupported, kept(rest.substr(0, rest.find(" is unsupported")))};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Line> split_line(std::string_view line) {
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  constexpr std::string_view kInfo = "NCCL INFO ";
  constexpr std::string_view kWarn = "NCCL WARN ";
  const std::size_t info = line.find(kInfo);
  const std::size_t warn = line.find(kWarn);
  const std::size_t at = std::min(info, warn);
  if (at == std::string_view::npos) return std::nullopt;
  Line result{{}, {}, warn < info, line.substr(at + kInfo.size())};
  // "host:pid:tid [device] ", and in a warning the place in NCCL's source.
  std::string_view front = line.substr(0, at);
  const std::size_t device = front.rfind(" [");
  if (device == std::string_view::npos) return result;
  front = front.substr(0, device);
  front = front.substr(front.rfind(' ') + 1);  // npos + 1 is 0
  const std::size_t tid = front.rfind(':');
  const std::size_t pid = tid == std::string_view::npos ? tid : front.rfind(':', tid - 1);
  if (tid == 0 || pid == std::string_view::npos || pid == 0) return result;
  if (!number<std::uint64_t>(front.substr(tid + 1)) ||
      !number<std::uint64_t>(front.substr(pid + 1, tid - pid - 1))) {
    return result;
  }
  result.thread = front;
  result.process = front.substr(0, tid);
  return result;
}

Event parse_event(const Line& line) {
  const std::string_view text = line.text;
  const auto has = [text](std::string_view key) { return text.find(key) != text.npos; };
  for (const std::string_view ours : {"VERNIER/Tuner: ", "VERNIER/Profiler: "}) {
    if (text.starts_with(ours)) return parse_ours(line, text.substr(ours.size()));
  }
  if (line.warning) return std::monostate{};
  if (has(": opCount ")) return parse_api_call(text);
  if (has(" Bytes -> ")) return parse_selection(text);
  if (text.starts_with("Input: {")) return parse_input(text);
  if (text.starts_with("Best tuning {")) return parse_best(text);
  if (has("Init START") || has("Init COMPLETE")) return parse_init(text);
  if (has(" nNodes ")) return parse_shape(text);
  if (text.starts_with("TUNER/Plugin: ")) return parse_tuner_plugin(text);
  if (auto loaded = find_loaded(text)) return std::move(*loaded);
  if (auto version = find_version(text)) return std::move(*version);
  if (text.starts_with("NCCL_") && has(" set by environment to ")) {
    return Variable{kept(word(text, "")), kept(*behind(text, " set by environment to "))};
  }
  return std::monostate{};
}

std::optional<Version> find_version(std::string_view line) {
  const std::string_view text = word(line, "NCCL version ");
  const std::string_view version = text.substr(0, text.find_first_not_of("0123456789."));
  const bool is_one = std::count(version.begin(), version.end(), '.') == 2 && version.size() < 16;
  return is_one ? std::optional(Version{std::string(version)}) : std::nullopt;
}

}  // namespace vernier::nccl_log
