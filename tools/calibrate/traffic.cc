// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/traffic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <stdexcept>

#include "tools/calibrate/plan.hpp"
#include "tools/common/input.hpp"
#include "tools/common/json_members.hpp"
#include "tools/profile/touchable_sizes.hpp"
#include "tools/workload/traffic_format.hpp"
#include "vernier/policy.hpp"

namespace vernier::calibrate {
namespace {

using workload::Links;
using workload::Size;
using workload::Workload;

constexpr std::size_t kMaxFileBytes = std::size_t{16} << 20;

std::string fact(const Json& machine, const char* name) {
  const auto found = machine.find(name);
  return found != machine.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Workload read_job_traffic(const std::string& directory) {
  std::vector<std::string> problems;
  const profile::Job job = profile::read_job(directory);
  Workload traffic = profile::touchable_sizes(profile::gather_traffic(job, directory, problems));
  problems.insert(problems.end(), job.problems.begin(), job.problems.end());
  for (const std::string& problem : problems) {
    print_talk("vernier: " + printable(problem) + "; the rest is used");
  }
  return traffic;
}

Workload read_traffic_file(const std::string& path) {
  const Input input = read_input(path, kMaxFileBytes);
  if (!input.problem.empty()) throw Malformed(input.problem);
  if (input.text.size() > kMaxFileBytes) {
    throw Malformed(fmt::format("more than {} MiB", kMaxFileBytes >> 20));
  }
  return workload::parse_traffic(input.text);
}

std::string shape_text(int ranks, int nodes) {
  if (ranks == 0 || nodes == 0) return "a number of ranks that is not known";
  return fmt::format("{} ranks on {} node{}", ranks, nodes, nodes == 1 ? "" : "s");
}

std::string shapes_text(const Workload& traffic) {
  std::set<std::pair<int, int>> shapes;
  for (const Size& size : traffic.sizes) shapes.emplace(size.ranks, size.nodes);
  std::string text;
  for (const auto& [ranks, nodes] : shapes) {
    text += (text.empty() ? "" : ", ") + shape_text(ranks, nodes);
  }
  return text;
}

}  // namespace

Shape shape_of(const Json& header) {
  constexpr std::uint64_t kMost = 1u << 24;
  const Json& plan = member(header, "plan");
  const bool emulates = plan.contains("emulate_nodes");
  return {static_cast<int>(natural(plan, "ranks", kMost)),
          emulates ? static_cast<int>(natural(plan, "emulate_nodes", kMost)) : 1,
          static_cast<std::uint32_t>(natural(plan, "element_bytes", kMost))};
}

Workload read_profiled_traffic(const std::string& path) {
  std::error_code unknown;  // then it is no directory
  const bool is_directory = std::filesystem::is_directory(path, unknown);
  try {
    return is_directory ? read_job_traffic(path) : read_traffic_file(path);
  } catch (const Malformed& problem) {
    // A job's problem names its directory.
    throw std::runtime_error(
        printable(is_directory ? problem.what() : fmt::format("{}: {}", path, problem.what())));
  }
}

Workload model_traffic(const Options& options, const Json& machine, int nodes) {
  workload::Deployment deployment = options.deployment;
  deployment.nodes = nodes;
  deployment.capability = workload::parse_capability(fact(machine, "compute_capability"));
  const std::string links = fact(machine, "links");
  if (links.starts_with("NVLink")) {
    deployment.links = Links::nvlink;
  } else if (!links.empty()) {
    deployment.links = fact(machine, "p2p") == "no pair" ? Links::no_p2p : Links::pcie;
  }
  try {
    return workload::make_workload(workload::read_model_file(options.model_config), deployment);
  } catch (const Malformed& problem) {
    throw std::runtime_error(problem.what());
  }
}

std::optional<Workload> kept_traffic(const Json& header) {
  if (!header.contains("traffic")) return std::nullopt;
  try {
    return workload::traffic_of(header["traffic"]);
  } catch (const Malformed& problem) {
    throw std::runtime_error(fmt::format("the header's traffic: {}", problem.what()));
  }
}

int only_ranks(const Workload& traffic) {
  std::set<int> ranks;
  for (const Size& size : traffic.sizes) ranks.insert(size.ranks);
  ranks.erase(0);
  if (ranks.size() > 1) {
    throw std::runtime_error(fmt::format("{} has {}: --ranks says which to measure", traffic.source,
                                         shapes_text(traffic)));
  }
  return ranks.empty() ? 0 : *ranks.begin();
}

std::optional<Point> point_of(Collective collective, std::uint64_t nbytes, int ranks, int nodes,
                              const Shape& shape) {
  if (ranks != shape.ranks || nodes != shape.nodes || nbytes > kLargestBytes) return std::nullopt;
  const Point point{collective, whole_bytes(collective, nbytes, ranks, shape.element_bytes)};
  return point.nbytes == 0 ? std::nullopt : std::optional(point);
}

std::map<Point, Calls> calls_of(const Workload& traffic, const Shape& shape) {
  std::map<Point, Calls> all;
  double steps = 0;
  for (const workload::Step& step : traffic.steps) {
    if (step.phase != workload::Phase::decode) continue;
    ++steps;
    for (const workload::Call& call : step.calls) {
      const auto point = point_of(call.collective, call.nbytes, call.ranks, call.nodes, shape);
      if (!point || !call.reaches_nccl()) continue;
      (call.captured ? all[*point].captured : all[*point].eager) += static_cast<double>(call.calls);
    }
  }
  for (auto& [point, calls] : all) {
    calls.captured /= steps;
    calls.eager /= steps;
  }
  if (steps > 0) return all;
  for (const Size& size : traffic.sizes) {
    const auto point = point_of(size.collective, size.nbytes, size.ranks, size.nodes, shape);
    if (!point) continue;
    all[*point].captured += static_cast<double>(size.captured);
    all[*point].eager += static_cast<double>(size.calls - size.captured);
  }
  return all;
}

std::vector<Point> points_of(const Workload& traffic, const Shape& shape) {
  if (traffic.sizes.empty()) {
    throw std::runtime_error(fmt::format(
        "nothing of {} reaches NCCL, so there is nothing to calibrate: leave NCCL alone",
        traffic.source));
  }
  std::set<Point> points;
  for (const Size& size : traffic.sizes) {
    const auto point = point_of(size.collective, size.nbytes, size.ranks, size.nodes, shape);
    if (point) points.insert(*point);
  }
  if (points.empty()) {
    throw std::runtime_error(fmt::format(
        "nothing of {} that reaches NCCL is of {} and at most {}; it has {}", traffic.source,
        shape_text(shape.ranks, shape.nodes), format_bytes(kLargestBytes), shapes_text(traffic)));
  }
  return {points.begin(), points.end()};
}

}  // namespace vernier::calibrate
