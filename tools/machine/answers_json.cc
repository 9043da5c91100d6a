// SPDX-License-Identifier: Apache-2.0
#include "tools/machine/answers_json.hpp"

#include <fmt/format.h>

#include <charconv>

namespace vernier::machine {
namespace {

constexpr std::uint64_t kMaxNumber = std::uint64_t{1} << 53;

bool is_plain(const std::string& text) {
  if (text.find('\0') != text.npos) return false;
  try {
    (void)Json(text).dump();  // throws where it is not UTF-8
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

std::string from_hex(const std::string& digits) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    unsigned byte = 0;
    const auto [end, error] = std::from_chars(&digits[i], &digits[i] + 2, byte, 16);
    if (error != std::errc{} || end != &digits[i] + 2) throw Malformed("hex is not hex");
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

const Json& need_object(const Json& json, const char* what) {
  if (!json.is_object()) throw Malformed(fmt::format("{} is not an object", what));
  return json;
}

// Keys are numbers: of a link or a port.
int key_number(const std::string& key) {
  int number = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), number);
  if (error != std::errc{} || end != key.data() + key.size()) {
    throw Malformed(fmt::format("{} is not a number", key));
  }
  return number;
}

int small(const Json& json, const char* name) {
  return static_cast<int>(natural(json, name, 1u << 30));
}

}  // namespace

Json to_json(const std::string& text) {
  if (is_plain(text)) return text;
  std::string hex;
  for (const char c : text) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return Json{{"hex", hex}};
}
void from_json(const Json& json, std::string& result) {
  if (json.is_object()) {
    result = from_hex(text(json, "hex"));
  } else if (json.is_string()) {
    result = json.get<std::string>();
  } else {
    throw Malformed(fmt::format("{} is not text", shown(json)));
  }
}

Json to_json(bool value) { return value; }
void from_json(const Json& json, bool& value) {
  if (!json.is_boolean()) throw Malformed(fmt::format("{} is not true or false", shown(json)));
  value = json.get<bool>();
}

Json to_json(int value) { return value; }
void from_json(const Json& json, int& value) { value = small(Json{{"number", json}}, "number"); }

Json to_json(std::uint64_t value) { return value; }
void from_json(const Json& json, std::uint64_t& value) {
  value = natural(Json{{"number", json}}, "number", kMaxNumber);
}

Json to_json(const std::vector<std::string>& names) {
  Json list = Json::array();
  for (const std::string& name : names) list.push_back(to_json(name));
  return list;
}
void from_json(const Json& json, std::vector<std::string>& names) {
  if (!json.is_array()) throw Malformed(fmt::format("{} is not a list", shown(json)));
  for (const Json& name : json) from_json(name, names.emplace_back());
}

Json to_json(const SharedObject& object) {
  return Json{{"symbols", to_json(object.nccl_symbols)},
              {"version", object.nccl_version},
              {"words", to_json(object.nccl_words)}};
}
void from_json(const Json& json, SharedObject& object) {
  need_object(json, "a library");
  object.nccl_symbols = take<std::vector<std::string>>(json, "symbols").value;
  object.nccl_version = take<std::string>(json, "version").value;
  object.nccl_words = take<std::vector<std::string>>(json, "words").value;
}

Json to_json(const NvmlAnswers& answers) {
  Json gpus = Json::object();
  for (const Gpu& gpu : answers.gpus) {
    Json json{{"name", gpu.name}};
    put(json, "compute_capability", gpu.compute_capability);
    put(json, "pcie_generation", gpu.pcie_generation);
    put(json, "pcie_generation_max", gpu.pcie_generation_max);
    put(json, "pcie_width", gpu.pcie_width);
    put(json, "pcie_width_max", gpu.pcie_width_max);
    put(json, "performance_state", gpu.performance_state);
    put(json, "mig", gpu.mig);
    put(json, "fabric_state", gpu.fabric_state);
    for (const auto& [number, link] : gpu.links) {
      Json& to = json["links"][std::to_string(number)];
      to = Json{{"up", link.up}, {"version", link.version}, {"remote", link.remote}};
      put(to, "remote_type", link.remote_type);
    }
    for (const auto& [peer, status] : gpu.peers) json["peers"][peer] = status;
    gpus[gpu.pci] = std::move(json);
  }
  return Json{{"driver", answers.driver}, {"gpus", std::move(gpus)}};
}
void from_json(const Json& json, NvmlAnswers& answers) {
  answers.driver = text(json, "driver");
  for (const auto& [pci, from] : need_object(member(json, "gpus"), "gpus").items()) {
    Gpu gpu;
    gpu.pci = pci;
    gpu.name = text(from, "name");
    gpu.compute_capability = take<std::string>(from, "compute_capability");
    gpu.pcie_generation = take<int>(from, "pcie_generation");
    gpu.pcie_generation_max = take<int>(from, "pcie_generation_max");
    gpu.pcie_width = take<int>(from, "pcie_width");
    gpu.pcie_width_max = take<int>(from, "pcie_width_max");
    gpu.performance_state = take<int>(from, "performance_state");
    gpu.mig = take<int>(from, "mig");
    gpu.fabric_state = take<int>(from, "fabric_state");
    const Json links = from.value("links", Json::object());
    for (const auto& [number, link] : need_object(links, "links").items()) {
      gpu.links[key_number(number)] = {
          take<bool>(link, "up").value, take<int>(link, "version").value,
          take<std::string>(link, "remote").value, take<int>(link, "remote_type")};
    }
    const Json peers = from.value("peers", Json::object());
    for (const auto& [peer, status] : need_object(peers, "peers").items()) {
      from_json(status, gpu.peers[peer]);
    }
    answers.gpus.push_back(std::move(gpu));
  }
}

Json to_json(const VerbsDevice& device) {
  Json ports = Json::object();
  for (const auto& [number, port] : device.ports) {
    ports[std::to_string(number)] = Json{{"state", port.state},
                                         {"phys_state", port.phys_state},
                                         {"link_layer", port.link_layer},
                                         {"active_mtu", port.active_mtu},
                                         {"gid_count", port.gid_count}};
  }
  return Json{{"firmware", device.firmware}, {"ports", std::move(ports)}};
}
void from_json(const Json& json, VerbsDevice& device) {
  device.firmware = text(json, "firmware");
  for (const auto& [number, port] : need_object(member(json, "ports"), "ports").items()) {
    device.ports[key_number(number)] = {small(port, "state"), small(port, "phys_state"),
                                        small(port, "link_layer"), small(port, "active_mtu"),
                                        small(port, "gid_count")};
  }
}

Json to_json(const VerbsAnswers& answers) {
  Json json = Json::object();
  for (const auto& [name, device] : answers) put(json, name, device);
  return json;
}
void from_json(const Json& json, VerbsAnswers& answers) {
  for (const auto& [name, device] : need_object(json, "verbs").items()) {
    (void)device;
    answers[name] = take<VerbsDevice>(json, name);
  }
}

}  // namespace vernier::machine
