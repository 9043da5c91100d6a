// SPDX-License-Identifier: Apache-2.0
//
// Shows what a policy changes, without a GPU: runs sizes through the NCCL-like host with and
// without the plugin. Exit status: 0 fine, 1 rules do not apply, 2 usage, 3 could not look.
#include <fmt/format.h>
#include <getopt.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/contract/nccl.hpp"
#include "tests/contract/releases.hpp"
#include "vernier/decide.hpp"
#include "vernier/policy.hpp"

namespace vernier::contract {
namespace {

constexpr int kUsualRelease = 22809;
constexpr std::uint64_t kSmallest = 1u << 10;
constexpr std::uint64_t kLargest = 16u << 20;

// Says on stderr why there is no result.
struct GiveUp {
  int exit_code;
  std::string text;
};

struct Arguments {
  std::string plugin_dir;
  std::string policy;
  std::string release;
  std::string collective;
  int ranks = 0;
  int nodes = 0;
  bool help = false;
};

Policy load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (!file || !(text << file.rdbuf())) throw GiveUp{3, path + ": cannot be read"};
  const ParsedPolicy parsed = parse_policy(text.str());
  if (!parsed.policy) throw GiveUp{3, to_string(parsed.errors.front(), path)};
  return *parsed.policy;
}

int pick_release(const Policy& policy, const std::string& asked) {
  if (!asked.empty()) {
    const int code = parse_nccl_version(asked).value_or(0);
    if (std::find(std::begin(kTableReleases), std::end(kTableReleases), code) !=
        std::end(kTableReleases)) {
      return code;
    }
    std::string known;
    for (const int release : kTableReleases)
      known += fmt::format(" {}", format_nccl_version(release));
    throw GiveUp{2, fmt::format("--nccl {}: allowed are{}", asked, known)};
  }
  if (!policy.nccl || policy.nccl->contains(kUsualRelease)) return kUsualRelease;
  for (const int release : kTableReleases) {
    if (policy.nccl->contains(release)) return release;
  }
  return kUsualRelease;  // the plugin will say why its rules do not apply
}

// Those that the policy has rules for, or the one asked for.
std::vector<Collective> pick_collectives(const Policy& policy, const std::string& asked) {
  if (!asked.empty()) {
    const auto collective = find_collective(asked);
    if (!collective) throw GiveUp{2, fmt::format("--collective {}: no such collective", asked)};
    return {*collective};
  }
  std::set<Collective> collectives;
  for (const Rule& rule : policy.rules) collectives.insert(rule.collective);
  return {collectives.begin(), collectives.end()};
}

// What `vernier env` would set.
void set_environment(const Policy& policy) {
  const auto value = encode_inline(policy);
  if (!value) throw GiveUp{3, "the policy is too long to be passed inline"};
  setenv("NCCL_TUNER_PLUGIN", "vernier", 1);
  setenv("NCCL_VERNIER_POLICY", value->c_str(), 1);
  for (const auto& [name, text] : policy.environment) setenv(name.c_str(), text.c_str(), 1);
}

std::string format_ran(int algorithm, int protocol, int channels) {
  if (algorithm < 0) return "none";
  const Choice choice{static_cast<Algorithm>(algorithm), static_cast<Protocol>(protocol)};
  return fmt::format("{:<20} {:>2}", format_choice(choice), channels);
}

// The rule that decided, or why none did, by the plugin's own function on the same costs.
std::string explain(const Policy& policy, const DecisionTable& table, Collective collective,
                    const NcclLikeOutcome& outcome, bool changed) {
  const Decision decision = decide(table, static_cast<int>(collective), outcome.tuner_nbytes,
                                   {outcome.before, outcome.algorithms, outcome.protocols});
  if (decision.range == nullptr) return "=";
  const int line = policy.rules[decision.range->rule].where.line;
  if (changed) return fmt::format("rule at line {}", line);
  if (decision.reason == Reason::applied) {
    return fmt::format("= (rule at line {}: as NCCL's own choice)", line);
  }
  return fmt::format("= (rule at line {}: {})", line, name_of(decision.reason));
}

void print_collective(const Policy& policy, const DecisionTable& table, Collective collective,
                      int ranks, const Comm& comm) {
  const bool counts_all_ranks =
      collective == Collective::allgather || collective == Collective::reducescatter;
  for (std::uint64_t nbytes = kSmallest; nbytes <= kLargest; nbytes *= 2) {
    const std::uint64_t per_rank =
        counts_all_ranks ? nbytes / static_cast<std::uint64_t>(ranks) : nbytes;
    const NcclLikeOutcome outcome = comm.ask(call_of(static_cast<int>(collective), per_rank));
    if (outcome.result != ncclSuccess || outcome.damage != NCCL_LIKE_SOUND) {
      throw GiveUp{3, fmt::format("{}: {}", name_of(collective), outcome.text)};
    }
    const std::string by_default =
        format_ran(outcome.default_algorithm, outcome.default_protocol, outcome.default_channels);
    const std::string with_policy =
        format_ran(outcome.algorithm, outcome.protocol, outcome.channels);
    fmt::print("{:<14}{:>7}   {:<26}{:<26}{}\n", name_of(collective), format_bytes(nbytes),
               by_default, with_policy,
               explain(policy, table, collective, outcome, by_default != with_policy));
  }
}

int run(const Arguments& arguments) {
  const Policy policy = load(arguments.policy);
  if (policy.rules.empty()) throw GiveUp{3, arguments.policy + ": no rules"};
  const Rule& first = policy.rules.front();
  const int ranks = arguments.ranks > 0 ? arguments.ranks : first.ranks.value_or(4);
  const int nodes = arguments.nodes > 0 ? arguments.nodes : first.nodes.value_or(1);
  if (ranks < 2) throw GiveUp{2, "--ranks: one rank alone asks no tuner"};
  if (ranks % nodes != 0) throw GiveUp{2, "--ranks is no multiple of --nodes"};
  const int release = pick_release(policy, arguments.release);
  const std::vector<Collective> collectives = pick_collectives(policy, arguments.collective);
  set_environment(policy);

  const Nccl& nccl = Nccl::first();
  nccl.use_release(release);
  nccl.use_library_dir(arguments.plugin_dir);
  const Comm comm = nccl.create(shape_of(ranks, nodes));
  if (!comm || comm.facts().abi == 0) {
    throw GiveUp{3, arguments.plugin_dir + ": no libnccl-tuner-vernier.so was loaded"};
  }
  bool active = false;
  for (const LogLine& line : nccl.log()) {
    fmt::print(stderr, "{}\n", line.text);
    active = active || line.text.find("reason active") != std::string::npos;
  }

  const bool unclamped = release >= 22900 && release < 23100;  // AllGatherV
  const DecisionTable table = compile(
      policy, ranks, nodes, unclamped ? AllGatherChannels::ignore : AllGatherChannels::keep);
  fmt::print(
      "A stand-in for NCCL {} with an invented cost model, {} ranks on {} node{}.\n"
      "No GPU ran and nothing was measured: this shows what the plugin changes, not what it "
      "gains.\n\n",
      format_nccl_version(release), ranks, nodes, nodes == 1 ? "" : "s");
  fmt::print("{:<14}{:>7}   {:<26}{:<26}{}\n", "collective", "bytes", "default         channels",
             "with policy     channels", "changed by");
  for (const Collective collective : collectives) {
    print_collective(policy, table, collective, ranks, comm);
  }
  return active ? 0 : 1;
}

constexpr char kUsage[] =
    "nccl_like_run --plugin-dir DIR --policy FILE [OPTION...]\n"
    "What a policy changes, shown in a stand-in for NCCL: no GPU, no NCCL.\n\n"
    "  --plugin-dir DIR   folder of libnccl-tuner-vernier.so\n"
    "  --policy FILE      passed to the plugin inline\n"
    "  --ranks N          default: of the policy's first rule, or 4\n"
    "  --nodes N          default: of the policy's first rule, or 1\n"
    "  --nccl VERSION     release to stand in for; default: one that the policy allows\n"
    "  --collective NAME  default: all that the policy has rules for\n";

int parse_count(const char* name, const char* text) {
  int count = 0;
  const char* const end = text + std::strlen(text);
  const auto [parsed, error] = std::from_chars(text, end, count);
  if (error != std::errc() || parsed != end || count < 1 || count > 1 << 20) {
    throw GiveUp{2, fmt::format("--{} {}: allowed are 1 to {}", name, text, 1 << 20)};
  }
  return count;
}

Arguments parse(int argc, char** argv) {
  const option options[] = {{"plugin-dir", required_argument, nullptr, 'd'},
                            {"policy", required_argument, nullptr, 'p'},
                            {"ranks", required_argument, nullptr, 'r'},
                            {"nodes", required_argument, nullptr, 'n'},
                            {"nccl", required_argument, nullptr, 'v'},
                            {"collective", required_argument, nullptr, 'c'},
                            {"help", no_argument, nullptr, 'h'},
                            {nullptr, 0, nullptr, 0}};
  Arguments arguments;
  for (int option = 0; (option = getopt_long(argc, argv, "h", options, nullptr)) != -1;) {
    switch (option) {
      case 'd': arguments.plugin_dir = optarg; break;
      case 'p': arguments.policy = optarg; break;
      case 'r': arguments.ranks = parse_count("ranks", optarg); break;
      case 'n': arguments.nodes = parse_count("nodes", optarg); break;
      case 'v': arguments.release = optarg; break;
      case 'c': arguments.collective = optarg; break;
      case 'h': arguments.help = true; return arguments;
      default: throw GiveUp{2, kUsage};
    }
  }
  if (optind != argc || arguments.plugin_dir.empty() || arguments.policy.empty()) {
    throw GiveUp{2, kUsage};
  }
  return arguments;
}

}  // namespace
}  // namespace vernier::contract

int main(int argc, char** argv) {
  using namespace vernier::contract;
  try {
    const Arguments arguments = parse(argc, argv);
    if (!arguments.help) return run(arguments);
    fmt::print("{}", kUsage);
    return 0;
  } catch (const GiveUp& reason) {
    fmt::print(stderr, "nccl_like_run: {}\n", reason.text);
    return reason.exit_code;
  }
}
