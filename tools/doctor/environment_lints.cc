// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor/environment_lints.hpp"

#include <fmt/format.h>

#include "tools/doctor/environment_judges.hpp"
#include "vernier/nccl_version.hpp"

namespace vernier::doctor {
namespace {

// Of NCCL 2.19 to 2.30.7 the sources were read; of 2.31 and 2.32 release notes and excerpts.
constexpr std::string_view kTuning = "NCCL 2.24 to 2.30.7, src/graph/tuning.cc";
constexpr std::string_view kGuide = "NCCL user guide, environment variables";
constexpr std::string_view kMeasured =
    "measured on 4 x H200, NCCL 2.28.9 and 2.30.7, November 2026";
constexpr std::string_view kPost =
    "advice of posts on TP=2 and on Dynamo; NCCL user guide, environment variables";
constexpr std::string_view kNvlinkBox = "h100x8";
constexpr std::string_view kRoceBox = "gb10";
constexpr std::string_view kPcieBox = "rtx4090x4";

using enum Severity;

}  // namespace

const std::string_view kEnvironmentLintsVersion = "2026-11-21";

const std::vector<EnvironmentLint>& environment_lints() {
  static const std::vector<EnvironmentLint> table = {
      // ---- which algorithm, which protocol
      {"env.algo-invalid", "NCCL_ALGO", ">=2.24", error, judge::algo_invalid,
       "every communicator fails at its creation (invalid usage): the server does not start",
       "unset it: leaving it out is \"auto\". Grammar: [names][;collective:names]..., collectives "
       "parted by ;",
       kTuning, "allgather:Tree,reducescatter:Tree", "ring,tree;allreduce:tree", kNvlinkBox, ""},
      {"env.algo-ignored", "NCCL_ALGO", "<2.24", warning, judge::algo_invalid,
       "this NCCL passes over names that it does not know; 2.24 and later refuses to start",
       "unset it", "NCCL 2.19 to 2.23, src/graph/tuning.cc", "auto", "Ring,Tree", kNvlinkBox, ""},
      {"env.proto-invalid", "NCCL_PROTO", ">=2.24", error, judge::proto_invalid,
       "every communicator fails at its creation (invalid usage): the server does not start",
       "unset it: leaving it out is \"auto\"", kTuning, "auto", "^LL128", kNvlinkBox, ""},
      {"env.proto-ignored", "NCCL_PROTO", "<2.24", warning, judge::proto_invalid,
       "this NCCL passes over names that it does not know; 2.24 and later refuses to start",
       "unset it", "NCCL 2.19 to 2.23, src/graph/tuning.cc", "auto", "LL,Simple", kNvlinkBox, ""},
      {"env.algo-stops", "NCCL_ALGO", ">=2.24", error, judge::algo_stops,
       "the first such collective fails (no algorithm or protocol available); vLLM gathers its "
       "logits with allgather",
       "unset it; or name an algorithm that each collective has: ring,tree;allreduce:tree",
       "NCCL 2.24 to 2.30.7, src/enqueue.cc; NCCL issue 317, vLLM issue 58179", "Tree",
       "ring,tree;allreduce:tree", kNvlinkBox, ""},
      {"env.algo-backup", "NCCL_ALGO", "<2.24", note, judge::algo_stops,
       "this NCCL then takes Ring without a word (and before 2.22 drops NCCL_PROTO there); 2.24 "
       "and later fails",
       "unset it", "NCCL 2.19 to 2.23, src/graph/tuning.cc; NCCL issue 1304", "Tree", "Ring,Tree",
       kNvlinkBox, ""},
      {"env.algo-names-some", "NCCL_ALGO", ">=2.31", error, judge::algo_names_some,
       "from 2.31 on a collective that is not named has no algorithm left, and fails",
       "begin with a list for all: ring,tree;allreduce:tree", "vLLM issue 58179", "allreduce:tree",
       "ring,tree;allreduce:tree", kNvlinkBox, ""},
      {"env.algo-hides", "NCCL_ALGO", "", warning, judge::algo_hides,
       "NCCL's choice by size is gone, and rules of a policy that name these do nothing",
       "unset it; for single sizes use a policy: vernier calibrate", kTuning, "Ring",
       "ring,tree,collnetdirect,collnetchain,nvls,nvlstree,pat", kNvlinkBox, ""},
      {"env.proto-hides", "NCCL_PROTO", "", warning, judge::proto_hides,
       "NCCL's choice by size is gone",
       "unset it; for single sizes use a policy: vernier calibrate",
       "4 x DGX Spark, luxingcom/aicad-nccl-optimization and FujitsuPolycom/sparkring issue 193",
       "Simple", "LL,LL128,Simple", kNvlinkBox, ""},
      {"env.ll128-unsafe", "NCCL_PROTO", "", error, judge::proto_ll128_unsafe,
       "LL128 needs stores of 128 bytes to arrive whole, which PCIe does not promise: data may be "
       "corrupted without a sign",
       "unset it: NCCL allows LL128 by itself where it is safe (^LL and ^Simple force it)",
       "NCCL issue 281; NCCL 2.19 to 2.30.7, src/graph/tuning.cc", "LL,LL128,Simple", "LL,Simple",
       kPcieBox, ""},
      {"env.nvls-contradiction", "NCCL_NVLS_ENABLE", "", warning, judge::nvls_without_algo,
       "NVLS is never used: the two settings contradict each other",
       "unset both: NVLS is on by default where there is multicast", kGuide, "1", "1", kNvlinkBox,
       "NCCL_ALGO=Ring"},
      // ---- channels, threads, buffers
      {"env.threads", "NCCL_NTHREADS", "", warning, judge::fewer_threads,
       "frees no SM (channels do), and costs: allreduce of 2 MiB on 4 GPUs 27 us with 512 threads, "
       "37 with 256, 60 with 128",
       "unset it", kMeasured, "256", "512", kNvlinkBox, ""},
      {"env.max-channels", "NCCL_MAX_NCHANNELS", "", note, judge::few_channels,
       "NCCL lowers channels for small messages by itself; the cap slows large ones, and limits "
       "rules of a policy",
       "unset it and measure: vernier calibrate searches channels by size", kPost, "4", "32",
       kNvlinkBox, ""},
      {"env.max-ctas", "NCCL_MAX_CTAS", "", note, judge::few_channels,
       "NCCL lowers channels for small messages by itself; the cap slows large ones, and limits "
       "rules of a policy",
       "unset it and measure: vernier calibrate searches channels by size", kGuide, "4", "32",
       kNvlinkBox, ""},
      {"env.buffsize", "NCCL_BUFFSIZE", "", note, judge::is_set,
       "concerns protocol Simple alone (LL and LL128 have buffers of their own), and costs memory "
       "per channel and peer; no gain for small messages was measured",
       "unset it unless you measured it", kPost, "2097152", "", kNvlinkBox, ""},
      // ---- transports
      {"env.gdr-level-old-name", "NCCL_IB_GDR_LEVEL", "", warning, judge::is_set,
       "no NCCL since 2.4 reads it", "unset it; the name is NCCL_NET_GDR_LEVEL", kGuide, "5", "",
       kNvlinkBox, ""},
      {"env.gdr-level-sys", "NCCL_NET_GDR_LEVEL", "", warning, judge::gdr_level_sys,
       "forces GPUDirect RDMA across sockets, where it may be slower than host memory; the default "
       "is PXB (P2C on machines with C2C)",
       "unset it; vernier doctor shows the distances", kGuide, "5", "PXB", kNvlinkBox, ""},
      {"env.gdr-level-invalid", "NCCL_NET_GDR_LEVEL", "", warning, judge::level_invalid,
       "NCCL does not understand it", "unset it", kGuide, "ON", "PHB", kNvlinkBox, ""},
      {"env.p2p-level-invalid", "NCCL_P2P_LEVEL", "", warning, judge::level_invalid,
       "NCCL does not understand it", "unset it", kGuide, "HIGH", "NVL", kNvlinkBox, ""},
      {"env.p2p-disabled", "NCCL_P2P_DISABLE", "", warning, judge::p2p_disabled,
       "everything between GPUs of the machine goes through host memory: allreduce of 512 KiB on 4 "
       "GPUs 88 us instead of 15",
       "unset it; it hides a fault of P2P, it does not mend it", kMeasured, "1", "0", kNvlinkBox,
       ""},
      {"env.shm-disabled", "NCCL_SHM_DISABLE", "", warning, judge::is_on,
       "where there is no P2P, GPUs of one machine talk over the network", "unset it", kGuide, "1",
       "0", kPcieBox, ""},
      {"env.ib-disabled", "NCCL_IB_DISABLE", "", warning, judge::ib_disabled,
       "nodes talk over TCP sockets: 5 to 20 times slower", "unset it", "vLLM issue 6610", "1", "0",
       kNvlinkBox, ""},
      {"env.net-socket", "NCCL_NET", "", warning, judge::net_socket,
       "nodes talk over TCP sockets: 5 to 20 times slower", "unset it", kGuide, "Socket", "IB",
       kNvlinkBox, ""},
      {"env.hca-unknown", "NCCL_IB_HCA", "", error, judge::hca_matches_none,
       "NCCL finds no RDMA device and goes over TCP sockets",
       "unset it: NCCL takes the nearest by itself", kGuide, "=mlx5_1", "=mlx5_0", kNvlinkBox, ""},
      {"env.hca-absent", "NCCL_IB_HCA", "", note, judge::hca_names_absent,
       "NCCL takes those that are there", "nothing, if nodes differ; else the names of this node",
       kGuide, "=mlx5_0,mlx5_77", "=mlx5_0", kNvlinkBox, ""},
      {"env.hca-prefix", "NCCL_IB_HCA", "", note, judge::hca_matches_several,
       "NCCL compares beginnings of names", "=NAME takes one device", kGuide, "mlx5_1", "=mlx5_10",
       kNvlinkBox, ""},
      {"env.hca-leaves-out", "NCCL_IB_HCA", "", note, judge::hca_leaves_out,
       "GPUs near the others use a NIC that is farther away", "nothing, if those are for storage",
       kPost, "mlx5_0", "mlx5", kNvlinkBox, ""},
      {"env.gid-index-infiniband", "NCCL_IB_GID_INDEX", "", warning, judge::gid_index_on_infiniband,
       "GID indexes are for RoCE; an InfiniBand port may have none of that number, and connecting "
       "fails",
       "unset it", kPost, "3", "-1", kNvlinkBox, ""},
      {"env.gid-index-not-v2", "NCCL_IB_GID_INDEX", "", error, judge::gid_index_not_v2,
       "connections fail, or go over RoCE v1, which is not routed",
       "unset it: NCCL 2.21 and later chooses; vernier doctor shows the table", kGuide, "0", "3",
       kRoceBox, ""},
      {"env.cross-nic", "NCCL_CROSS_NIC", "", note, judge::is_one,
       "lets rings change the rail: slower on rail-optimized fabrics; the default 2 does so where "
       "it is better",
       "unset it", kPost, "1", "2", kNvlinkBox, ""},
      {"env.tc-infiniband", "NCCL_IB_TC", "", note, judge::tc_on_infiniband,
       "the traffic class is for RoCE; native InfiniBand has NCCL_IB_SL, and TC 160 is not its SL "
       "5",
       "unset it", kPost, "160", "", kNvlinkBox, ""},
      {"env.sl", "NCCL_IB_SL", "", note, judge::is_set,
       "every rank of a job needs the same, and the fabric a mapping for it",
       "the value that the fabric's administrator names", kPost, "5", "", kNvlinkBox, ""},
      {"env.socket-ifname", "NCCL_SOCKET_IFNAME", "", error, judge::interface_unknown,
       "NCCL finds no interface and fails at the creation of a communicator (bootstrap)",
       "a beginning of the name of an interface that reaches the other nodes, or ^lo,docker",
       kGuide, "eth99", "^lo,docker", kNvlinkBox, ""},
      {"env.collnet", "NCCL_COLLNET_ENABLE", "", warning, judge::collnet_without_plugin,
       "nothing is reduced in the network; some releases then find no algorithm for allgather",
       "unset it. SHARP needs InfiniBand switches with an aggregation manager, a net plugin with "
       "CollNet (HPC-X, nccl-rdma-sharp) and two nodes",
       "NCCL issue 1709; user guide", "1", "0", kNvlinkBox, ""},
      {"env.net-shared-comms", "NCCL_NET_SHARED_COMMS", "", note, judge::is_set,
       "is about sharing connections of PXN, on by default, and has nothing to do with SHARP",
       "unset it", kPost, "1", "", kNvlinkBox, ""},
      // ---- logs
      {"env.debug-invalid", "NCCL_DEBUG", "", warning, judge::debug_invalid, "NCCL logs nothing",
       "INFO or WARN", kGuide, "DEBUG", "INFO", kNvlinkBox, ""},
      {"env.debug-trace", "NCCL_DEBUG", "", note, judge::debug_trace,
       "TRACE needs an NCCL built with TRACE=1; no release prints the time of a collective",
       "NCCL_DEBUG=INFO NCCL_DEBUG_SUBSYS=INIT,TUNING for choices; NCCL_PROFILER_PLUGIN=vernier "
       "for "
       "times",
       kGuide, "TRACE", "INFO", kNvlinkBox, ""},
      // ---- what pays only under a condition
      {"env.nowin-without-policy", "NCCL_SYM_NOWIN_ENABLE", ">=2.29", warning,
       judge::nowin_without_policy,
       "2.4 times faster at 8 KiB and 5 times slower at 1 MiB (allreduce, 4 GPUs)",
       "with a policy that was calibrated under it, or not at all", kMeasured, "1", "0", kNvlinkBox,
       ""},
      {"env.graph-mixing", "NCCL_GRAPH_MIXING_SUPPORT", "", note, judge::is_zero,
       "saves about 1 us of a captured call, and hangs where a captured and another launch of one "
       "communicator overlap",
       "keep it only if all of a communicator's work is on one stream", kMeasured, "0", "1",
       kNvlinkBox, ""},
      {"env.launch-order", "NCCL_LAUNCH_ORDER_IMPLICIT", "", note, judge::is_on,
       "costs about 3 us a captured call", "unset it if no two communicators share a GPU's streams",
       kMeasured, "1", "0", kNvlinkBox, ""},
      {"env.cumem", "NCCL_CUMEM_ENABLE", "", note, judge::is_zero,
       "no NVLS and no symmetric memory; a policy calibrated without it does not fit",
       "unset it with NCCL 2.22.3 and later (SGLang sets it by itself)",
       "vLLM pull request 24141; NCCL issue 1234", "0", "1", kNvlinkBox, ""},
      {"env.comm-id", "NCCL_COMM_ID", "", note, judge::is_set,
       "all communicators have one id: ranks cannot agree on a policy by its path, and its rules "
       "stay inert",
       "vernier env --inline, or unset it", kMeasured, "127.0.0.1:5555", "", kNvlinkBox, ""},
      {"env.hostid", "NCCL_HOSTID", "", warning, judge::is_set,
       "ranks with different values take one another for other machines: no P2P, no shared memory",
       "unset it outside tests", "NCCL 2.19 to 2.30.7, src/misc/utils.cc", "a", "", kNvlinkBox, ""},
      {"env.cta-policy", "NCCL_CTA_POLICY", ">=2.27", note, judge::efficiency_with_tuner,
       "NCCL skips its preference for NVLS as soon as a tuner is loaded", "one or the other",
       "NCCL 2.27 to 2.30.7, src/enqueue.cc", "EFFICIENCY", "DEFAULT", kNvlinkBox,
       "NCCL_TUNER_PLUGIN=vernier"},
      // ---- the engine's
      {"env.vllm-symm-mem", "VLLM_USE_NCCL_SYMM_MEM", "<2.27.3", warning, judge::is_on,
       "this NCCL has no symmetric memory: it changes nothing", "unset it, or NCCL 2.27.3 or later",
       "vLLM 0.30 to 0.32", "1", "0", kNvlinkBox, ""},
      {"env.vllm-symm-mem-scope", "VLLM_USE_NCCL_SYMM_MEM", ">=2.27.3", note, judge::is_on,
       "no effect below 4 ranks nor, before NCCL 2.29, between nodes; such calls never ask a "
       "tuner, "
       "and some sizes get slower (allreduce of 128 KiB on 4 GPUs 15.0 us instead of 11.2)",
       "measure with your traffic", kMeasured, "1", "0", kNvlinkBox, ""},
      {"env.vllm-ray-overlap", "VLLM_USE_RAY_COMPILED_DAG_OVERLAP_COMM", "", note, judge::is_on,
       "concerns pipeline stages of the Ray executor only, not tensor parallelism", "unset it",
       "vLLM 0.11 to 0.32", "1", "0", kNvlinkBox, ""},
      {"env.vllm-ray-channel", "VLLM_USE_RAY_COMPILED_DAG_CHANNEL_TYPE", "", note, judge::is_set,
       "concerns pipeline stages of the Ray executor only, not tensor parallelism", "unset it",
       "vLLM 0.11 to 0.32", "nccl", "", kNvlinkBox, ""},
      {"env.vllm-profiler-dir", "VLLM_TORCH_PROFILER_DIR", "", note, judge::is_set,
       "vLLM 0.13 and later does not read it", "--profiler-config", "vLLM 0.13", "/tmp/x", "",
       kNvlinkBox, ""},
  };
  return table;
}

void apply(const EnvironmentLint& lint, const Facts& facts, std::vector<Finding>& findings) {
  const auto setting = facts.environment.find(std::string(lint.variable));
  if (setting == facts.environment.end()) return;
  std::string which;
  if (!lint.nccl.empty()) {
    const std::optional<int> version = facts.nccl_version();
    if (!NcclVersionRange::parse(lint.nccl)->contains(version.value_or(kNewestNccl))) return;
    which = version ? fmt::format(" (NCCL {})", format_nccl_version(*version))
                    : fmt::format(" (NCCL {})", lint.nccl);
  }
  const std::string& value = setting->second.value;
  const std::string wrong = lint.judge(value, facts);
  if (wrong.empty()) return;
  Finding& finding = findings.emplace_back(Finding{
      std::string(lint.id), lint.severity,
      fmt::format("{}={} ({}): {}{}", lint.variable, value, setting->second.source, wrong, which),
      std::string(lint.consequence), std::string(lint.fix), std::string(lint.source)});
  // What fails or corrupts does so whoever demands it.
  if (lint.severity == error || !facts.policy_demands(setting->first, value)) return;
  finding.severity = note;
  finding.evidence += ", as the policy demands";
  finding.fix = "keep it: the policy's rules were measured with it, and are inert without";
}

}  // namespace vernier::doctor
