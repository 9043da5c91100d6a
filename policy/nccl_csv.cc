// SPDX-License-Identifier: Apache-2.0
#include "policy/nccl_csv.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "policy/first_match.hpp"
#include "policy/table_reader.hpp"

namespace vernier {
namespace {

constexpr std::array<std::string_view, 10> kFieldNames = {
    "colltype", "minbytes", "maxbytes", "algorithm",  "protocol",
    "channels", "nNodes",   "nRanks",   "numPipeOps", "regBuff"};
enum FieldIndex : std::size_t {
  kColltype,
  kMinBytes,
  kMaxBytes,
  kAlgorithm,
  kProtocol,
  kChannels,
  kNodes,
  kRanks,
  kPipeOps,
  kRegBuff,
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
      const auto offset =
          field.empty() ? start : static_cast<std::size_t>(field.data() - line.data());
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
      wrong(field, fmt::format("{}{}", fmt::join(names, ", "),
                               did_you_mean(fields_[field].text, {names.begin(), names.end()})));
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
  Diagnostics& findings_;  // of the whole text
  std::vector<Field> fields_;
};

// The rule that a row states, or nullopt after recording every error in it.
std::optional<Rule> read_rule(Row& row) {
  if (row.size() < kRequiredFields || row.size() > kFieldNames.size()) {
    row.fail(kColltype, fmt::format("{} fields; allowed: {} to {}: {}", row.size(), kRequiredFields,
                                    kFieldNames.size(), fmt::join(kFieldNames, ",")));
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
  bool readable =
      collective && min_bytes && max_bytes && algorithm && protocol && channels && nodes && ranks;
  for (std::size_t field = kPipeOps; field < row.size(); ++field) {
    const auto value = row.number(field);
    readable = readable && value;
    if (!value || *value == -1) continue;
    conditional = true;
    row.fail(field, fmt::format("{} is {}; allowed: -1, since rules do not depend on it",
                                kFieldNames[field], *value));
  }
  if (!readable || conditional) return std::nullopt;
  if (*min_bytes > *max_bytes) {
    row.fail(kMaxBytes, fmt::format("maxbytes {} is below minbytes {}; allowed: {} or more",
                                    *max_bytes, *min_bytes, *min_bytes));
    return std::nullopt;
  }

  const auto unless_any = [](std::optional<int> value) {
    return *value == -1 ? std::nullopt : value;
  };
  return Rule{*collective,
              *min_bytes,
              *max_bytes,
              unless_any(ranks),
              unless_any(nodes),
              std::nullopt,
              {*algorithm, *protocol},
              unless_any(channels),
              std::nullopt,
              std::nullopt,
              row.where(kColltype)};
}

// A row that reads as a rule, and what a policy says to that.
struct Candidate {
  enum class Verdict {
    allowed,
    takes_calls,  // NCCL's example would follow the row, a policy may not
    refused,      // it would not follow the row either
  };
  Row row;
  Rule rule;
  Verdict verdict = Verdict::allowed;
};

// Records an error at the field that became `line` of a policy, and judges the row by it.
void refuse(Candidate& candidate, std::string_view line, std::string text) {
  constexpr std::array<std::pair<std::string_view, FieldIndex>, 4> kFieldOfKey = {
      {{"algorithm", kAlgorithm}, {"channels", kChannels}, {"nodes", kNodes}, {"ranks", kRanks}}};
  const auto found = std::find_if(kFieldOfKey.begin(), kFieldOfKey.end(),
                                  [line](const auto& one) { return line.starts_with(one.first); });
  const FieldIndex field = found == kFieldOfKey.end() ? kColltype : found->second;
  candidate.row.fail(field, std::move(text));
  // The example looks at later rows where the cell of this one is unusable, so a row with an
  // impossible pair takes no calls.
  candidate.verdict =
      std::max(candidate.verdict,
               field == kChannels ? Candidate::Verdict::takes_calls : Candidate::Verdict::refused);
}

// Asks the parser what a policy may say, so that there is one answer to that: all rules in one
// text, each with bytes of its own so that none overlap.
void judge(std::vector<Candidate>& candidates) {
  Policy policy;
  for (const Candidate& candidate : candidates) {
    policy.rules.push_back(candidate.rule);
    policy.rules.back().min_bytes = policy.rules.back().max_bytes = policy.rules.size();
  }
  const std::string text = write_policy(policy, WithEvidence::no);
  const Diagnostics errors = parse_policy(text).errors;  // by line
  std::size_t rules = 0;
  int number = 0;
  auto error = errors.begin();
  for (std::string_view rest = text; error != errors.end() && !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    rules += line == "[[rule]]";
    ++number;
    for (; error != errors.end() && error->where.line == number; ++error) {
      refuse(candidates[rules - 1], line, error->text);
    }
  }
}

std::vector<Candidate> read_rows(std::string_view text, Diagnostics& findings) {
  std::vector<Candidate> candidates;
  std::size_t rows = 0;
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::string_view content = trim(line);
    if (content.empty() || content.starts_with('#')) continue;
    Row row(line, number, findings);
    if (++rows > kMaxRules) {
      row.fail(kColltype,
               fmt::format("more than {} rows; this one and all after it are not read", kMaxRules));
      break;
    }
    if (const auto rule = read_rule(row)) candidates.push_back({std::move(row), *rule});
  }
  return candidates;
}

}  // namespace

CsvImport import_nccl_csv(std::string_view text) {
  CsvImport result;
  std::vector<Candidate> candidates = read_rows(text, result.findings);
  judge(candidates);
  FirstMatch converter(result.rules, result.findings);
  for (const Candidate& one : candidates) {
    if (one.verdict == Candidate::Verdict::refused) continue;
    converter.add(one.rule, one.verdict == Candidate::Verdict::allowed);
  }
  std::stable_sort(
      result.findings.begin(), result.findings.end(), [](const Diagnostic& a, const Diagnostic& b) {
        return std::pair(a.where.line, a.where.column) < std::pair(b.where.line, b.where.column);
      });
  return result;
}

std::string export_nccl_csv(const Policy& policy) {
  std::string out = "# colltype,minbytes,maxbytes,algorithm,protocol,channels,nNodes,nRanks\n";
  for (const Rule& rule : policy.rules) {
    out +=
        fmt::format("{},{},{},{},{},{},{},{}\n", name_of(rule.collective), rule.min_bytes,
                    rule.max_bytes, name_of(rule.choice.algorithm), name_of(rule.choice.protocol),
                    rule.channels.value_or(-1), rule.nodes.value_or(-1), rule.ranks.value_or(-1));
  }
  return out;
}

}  // namespace vernier
