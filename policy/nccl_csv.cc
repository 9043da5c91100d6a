// SPDX-License-Identifier: Apache-2.0
#include "policy/nccl_csv.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "policy/first_match.hpp"

namespace vernier {
namespace {

constexpr std::array<std::string_view, 10> kFieldNames = {
    "colltype", "minbytes", "maxbytes", "algorithm",  "protocol",
    "channels", "nNodes",   "nRanks",   "numPipeOps", "regBuff"};
enum FieldIndex : std::size_t {
  kColltype, kMinBytes, kMaxBytes, kAlgorithm, kProtocol,
  kChannels, kNodes, kRanks, kPipeOps, kRegBuff,
};
constexpr std::size_t kRequiredFields = kPipeOps;

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// One row, read field by field. A reading function returns nullopt after an error it recorded.
class Row {
 public:
  Row(std::string_view line, int number, Diagnostics& findings)
      : number_(number), findings_(findings) {
    for (std::size_t start = 0; start <= line.size();) {
      const std::size_t end = std::min(line.find(',', start), line.size());
      const std::string_view field = trim(line.substr(start, end - start));
      const auto offset = field.empty() ? start : static_cast<std::size_t>(field.data() - line.data());
      fields_.push_back({field, static_cast<int>(offset) + 1});
      start = end + 1;
    }
  }

  [[nodiscard]] std::size_t size() const { return fields_.size(); }
  [[nodiscard]] Location where(std::size_t field) const { return {number_, fields_[field].column}; }

  void fail(std::size_t field, std::string text) {
    findings_.push_back({Diagnostic::Severity::error, where(field), std::move(text)});
  }

  template <typename Enum, std::size_t N>
  std::optional<Enum> name(std::size_t field, const std::array<std::string_view, N>& names) {
    const auto value = find_name<Enum>(names, fields_[field].text);
    if (!value) {
      const std::string_view likely = nearest(fields_[field].text, {names.begin(), names.end()});
      wrong(field, fmt::format("{}{}", fmt::join(names, ", "),
                               likely.empty() ? "" : fmt::format("; did you mean \"{}\"?", likely)));
    }
    return value;
  }

  std::optional<std::uint64_t> bytes(std::size_t field) {
    const std::string_view text = fields_[field].text;
    if (field == kMaxBytes && text == "-1") return INT64_MAX;
    // A policy's limit is smaller than NCCL's; no call is as large as either.
    if (const auto value = integer<std::uint64_t>(text)) {
      return std::min(*value, std::uint64_t{INT64_MAX});
    }
    wrong(field, "an integer from 0");
    return std::nullopt;
  }

  // -1 stands for any, and for NCCL's number of channels.
  std::optional<int> number(std::size_t field) {
    const auto value = integer<int>(fields_[field].text);
    if (value && *value >= -1) return value;
    wrong(field, "an integer from 0, or -1");
    return std::nullopt;
  }

 private:
  struct Field {
    std::string_view text;
    int column;
  };

  template <typename Integer>
  static std::optional<Integer> integer(std::string_view text) {
    Integer value{};
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, value);
    if (error != std::errc{} || end != last) return std::nullopt;
    return value;
  }

  void wrong(std::size_t field, std::string_view allowed) {
    fail(field, fmt::format("{} is {}; allowed: {}", kFieldNames[field],
                            in_quotes(fields_[field].text), allowed));
  }

  int number_;
  Diagnostics& findings_;
  std::vector<Field> fields_;
};

// The rule that a row states, or nullopt after recording every error in it.
std::optional<Rule> read_rule(Row& row) {
  if (row.size() < kRequiredFields || row.size() > kFieldNames.size()) {
    row.fail(kColltype, fmt::format("{} fields; allowed: {} to {}: {}", row.size(),
                                    kRequiredFields, kFieldNames.size(),
                                    fmt::join(kFieldNames, ",")));
    return std::nullopt;
  }
  const auto collective = row.name<Collective>(kColltype, kCollectiveNames);
  const auto min_bytes = row.bytes(kMinBytes);
  const auto max_bytes = row.bytes(kMaxBytes);
  const auto algorithm = row.name<Algorithm>(kAlgorithm, kAlgorithmNames);
  const auto protocol = row.name<Protocol>(kProtocol, kProtocolNames);
  const auto channels = row.number(kChannels);
  const auto nodes = row.number(kNodes);
  const auto ranks = row.number(kRanks);
  bool conditional = false;
  bool readable = collective && min_bytes && max_bytes && algorithm && protocol && channels &&
                  nodes && ranks;
  for (std::size_t field = kPipeOps; field < row.size(); ++field) {
    const auto value = row.number(field);
    readable = readable && value;
    if (!value || *value == -1) continue;
    conditional = true;
    row.fail(field, fmt::format("{} is {}; allowed: -1, since rules do not depend on it",
                                kFieldNames[field], *value));
  }
  if (!readable || conditional) return std::nullopt;

  const auto unless_any = [](std::optional<int> value) {
    return *value == -1 ? std::nullopt : value;
  };
  return Rule{*collective,       *min_bytes,          *max_bytes, unless_any(ranks),
              unless_any(nodes), std::nullopt,        {*algorithm, *protocol},
              unless_any(channels), std::nullopt,     row.where(kColltype)};
}

enum class Verdict {
  allowed,
  takes_calls,  // NCCL's example would follow the row, a policy may not
  refused,      // it would not follow the row either
};

// Asks the parser what a policy may say, so that there is one answer to that.
Verdict judge(const Rule& rule, Row& row) {
  constexpr std::array<std::pair<std::string_view, FieldIndex>, 5> kFieldOfKey = {
      {{"max_bytes", kMaxBytes}, {"algorithm", kAlgorithm}, {"channels", kChannels},
       {"nodes", kNodes}, {"ranks", kRanks}}};
  Policy policy;
  policy.rules.push_back(rule);
  const std::string text = write_policy(policy, WithEvidence::no);
  std::vector<std::string_view> lines = {""};  // line 0: the text as a whole
  for (std::string_view rest = text; !rest.empty();) {
    lines.push_back(rest.substr(0, rest.find('\n')));
    rest.remove_prefix(lines.back().size() + 1);
  }
  Verdict verdict = Verdict::allowed;
  for (const Diagnostic& error : parse_policy(text).errors) {
    const std::string_view line = lines[static_cast<std::size_t>(error.where.line)];
    const auto found = std::find_if(kFieldOfKey.begin(), kFieldOfKey.end(),
                                    [line](const auto& one) { return line.starts_with(one.first); });
    const FieldIndex field = found == kFieldOfKey.end() ? kColltype : found->second;
    row.fail(field, error.text);
    verdict = std::max(verdict, field == kChannels ? Verdict::takes_calls : Verdict::refused);
  }
  return verdict;
}

}  // namespace

CsvImport import_nccl_csv(std::string_view text) {
  CsvImport result;
  FirstMatch converter(result.rules, result.findings);
  std::size_t rows = 0;
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::string_view content = trim(line);
    if (content.empty() || content.starts_with('#')) continue;
    Row row(line, number, result.findings);
    if (++rows > kMaxRules) {
      row.fail(kColltype, fmt::format("more than {} rows; this one and all after it are not read",
                                      kMaxRules));
      break;
    }
    const auto rule = read_rule(row);
    if (!rule) continue;
    // The example tries the next row where the cell of this one is unusable, so a row that is
    // refused for its pair takes no calls.
    const Verdict verdict = judge(*rule, row);
    if (verdict != Verdict::refused) converter.add(*rule, verdict == Verdict::allowed);
  }
  return result;
}

std::string export_nccl_csv(const Policy& policy) {
  std::string out = "# colltype,minbytes,maxbytes,algorithm,protocol,channels,nNodes,nRanks\n";
  for (const Rule& rule : policy.rules) {
    out += fmt::format("{},{},{},{},{},{},{},{}\n", name_of(rule.collective), rule.min_bytes,
                       rule.max_bytes, name_of(rule.choice.algorithm),
                       name_of(rule.choice.protocol), rule.channels.value_or(-1),
                       rule.nodes.value_or(-1), rule.ranks.value_or(-1));
  }
  return out;
}

}  // namespace vernier
