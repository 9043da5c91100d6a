// SPDX-License-Identifier: Apache-2.0
//
// RDMA devices: what the kernel says in sysfs, and whether libibverbs, which NCCL uses, gets at
// them.
#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>

#include "tools/doctor/collect.hpp"

namespace vernier::doctor {
namespace {

constexpr const char* kClass = "/sys/class/infiniband/";

// Counters of trouble: of the link (InfiniBand architecture, PortCounters) and of the transport
// (mlx5's hw_counters; other drivers have some of them).
constexpr std::array<std::string_view, 5> kPortCounters = {
    "symbol_error", "link_error_recovery", "link_downed", "port_rcv_errors", "port_xmit_discards"};
constexpr std::array<std::string_view, 9> kTransportCounters = {
    "out_of_sequence",       "packet_seq_err",      "rnr_nak_retry_err",
    "local_ack_timeout_err", "implied_nak_seq_err", "roce_adp_retrans",
    "np_cnp_sent",           "rp_cnp_handled",      "np_ecn_marked_roce_packets"};

// "4: ACTIVE" as "ACTIVE".
std::string after_number(const std::string& text) {
  const std::size_t colon = text.find(": ");
  return trimmed(colon == text.npos ? text : text.substr(colon + 2));
}

constexpr std::string_view kNoGid = "0000:0000:0000:0000:0000:0000:0000:0000";

std::vector<Gid> collect_gids(machine::MachineView& machine, const std::string& port) {
  std::vector<Gid> gids;
  for (const std::string& name : machine.entries(port + "/gids").value) {
    const std::string gid = trimmed(machine.text(port + "/gids/" + name).value_or(""));
    if (gid.empty() || gid == kNoGid) continue;
    const auto index = leading_int(Reading<std::string>::of(name));
    if (!index.present()) continue;
    gids.push_back({index.value, gid,
                    trimmed(machine.text(port + "/gid_attrs/types/" + name).value_or("")),
                    trimmed(machine.text(port + "/gid_attrs/ndevs/" + name).value_or(""))});
  }
  std::sort(gids.begin(), gids.end(), [](const Gid& a, const Gid& b) { return a.index < b.index; });
  return gids;
}

// NCCL's own choice since 2.21, with NCCL_IB_GID_INDEX unset: RoCE v2, and of those IPv4 before
// IPv6 (NCCL_IB_ADDR_FAMILY's default), the first one.
std::optional<Gid> choose_gid(const std::vector<Gid>& gids) {
  const auto first = [&](bool ipv4) {
    return std::find_if(gids.begin(), gids.end(), [ipv4](const Gid& gid) {
      return gid.type == "RoCE v2" && gid.is_ipv4() == ipv4;
    });
  };
  for (const bool ipv4 : {true, false}) {
    if (const auto found = first(ipv4); found != gids.end()) return *found;
  }
  return std::nullopt;
}

template <std::size_t N>
void collect_counters(machine::MachineView& machine, const std::string& folder,
                      const std::array<std::string_view, N>& names, Port& port) {
  for (const std::string_view name : names) {
    const auto text = machine.text(folder + std::string(name));
    if (text.is_unreadable()) port.counters_readable = Reading<bool>::unreadable(text.why);
    if (!text.present()) continue;
    if (port.counters_readable.absent()) port.counters_readable = Reading<bool>::of(true);
    const auto value = leading_number(text);
    if (value.present() && value.value > 0) {
      port.counters[std::string(name)] = static_cast<std::uint64_t>(value.value);
    }
  }
}

Port collect_port(machine::MachineView& machine, const std::string& folder, int number) {
  const auto read = [&](const char* name) { return machine.text(folder + name); };
  Port port{number,
            after_number(read("/state").value_or("")),
            after_number(read("/phys_state").value_or("")),
            trimmed(read("/link_layer").value_or("")),
            0,
            trimmed(read("/rate").value_or("")),
            {},
            {},
            {},
            {}};
  port.rate_gbps = leading_number(Reading<std::string>::of(port.rate)).value_or(0);
  port.gids = collect_gids(machine, folder);
  if (port.ethernet()) port.chosen = choose_gid(port.gids);
  collect_counters(machine, folder + "/counters/", kPortCounters, port);
  collect_counters(machine, folder + "/hw_counters/", kTransportCounters, port);
  return port;
}

// mlx5_9 before mlx5_10.
bool is_before(const std::string& a, const std::string& b) {
  const auto key = [](const std::string& name) {
    const std::size_t digits = name.find_last_not_of("0123456789") + 1;
    return std::tuple(name.substr(0, digits), name.size(), name);
  };
  return key(a) < key(b);
}

std::string pci_address_of(machine::MachineView& machine, const std::string& device) {
  const std::string path = machine.real_path(device + "/device").value_or("");
  const std::string name = path.substr(path.rfind('/') + 1);
  // A device of an emulation (rxe, siw) has no PCI address.
  return std::count(name.begin(), name.end(), ':') == 2 ? name : std::string();
}

}  // namespace

bool Nic::active() const {
  return std::any_of(ports.begin(), ports.end(), [](const Port& port) { return port.active(); });
}

void collect_nics(machine::MachineView& machine, Facts& facts) {
  Reading<std::vector<std::string>> names = machine.entries(kClass);
  std::sort(names.value.begin(), names.value.end(), is_before);
  if (names.is_unreadable()) facts.unreadable.push_back(std::string(kClass) + ": " + names.why);
  if (names.value.empty()) return;
  const Reading<machine::VerbsAnswers> verbs = machine.verbs();
  facts.verbs_library = {verbs.present()         ? Reading<bool>::of(true)
                         : verbs.is_unreadable() ? Reading<bool>::unreadable(verbs.why)
                                                 : Reading<bool>{}};
  for (const std::string& name : names.value) {
    const std::string folder = kClass + name;
    Nic nic;
    nic.name = name;
    nic.pci = collect_pci(machine, pci_address_of(machine, folder));
    nic.firmware = machine.text(folder + "/fw_ver");
    nic.firmware.value = trimmed(nic.firmware.value);
    nic.board = machine.text(folder + "/board_id");
    nic.board.value = trimmed(nic.board.value);
    for (const std::string& file : machine.entries(folder + "/device/infiniband_verbs").value) {
      nic.verbs_file_name = "/dev/infiniband/" + file;
    }
    if (!nic.verbs_file_name.empty()) {
      const auto opens = machine.opens(nic.verbs_file_name);
      nic.verbs_file = {static_cast<Reading<std::string>::State>(opens.state), nic.verbs_file_name,
                        opens.why};
    }
    if (const auto found = verbs.value.find(name); found != verbs.value.end()) {
      nic.verbs = found->second;
    }
    for (const std::string& port : machine.entries(folder + "/ports").value) {
      const auto number = leading_int(Reading<std::string>::of(port));
      if (!number.present()) continue;
      nic.ports.push_back(collect_port(machine, folder + "/ports/" + port, number.value));
    }
    facts.nics.push_back(std::move(nic));
  }
}

}  // namespace vernier::doctor
