// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/bundles/offer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "tools/common/input.hpp"
#include "tools/common/json_members.hpp"

namespace vernier::calibrate {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20;

}  // namespace

Offer offer_bundles(const std::vector<Bundle>& known, int nccl_version, bool conditional,
                    const std::map<std::string, std::string>& environment) {
  Offer offer;
  std::set<std::string> names;
  for (const Bundle& bundle : known) {
    if (!names.insert(bundle.name).second) {
      throw std::runtime_error(fmt::format("two bundles are named \"{}\"", bundle.name));
    }
    const auto is_set = [&](const auto& variable) {
      const auto found = environment.find(variable.first);
      return found != environment.end() && found->second == variable.second;
    };
    if (bundle.nccl && !bundle.nccl->contains(nccl_version)) {
      offer.left_out.push_back(fmt::format("{}: for NCCL {}", bundle.name, bundle.nccl->text()));
    } else if (bundle.is_conditional() && !conditional) {
      offer.left_out.push_back(fmt::format("{}: safe only if {}; --offer-conditional tries it",
                                           bundle.name, bundle.safe));
    } else if (std::all_of(bundle.variables.begin(), bundle.variables.end(), is_set)) {
      offer.left_out.push_back(fmt::format("{}: is set already", bundle.name));
    } else {
      offer.bundles.push_back(bundle);
    }
  }
  return offer;
}

std::vector<Bundle> read_bundles(const std::string& from) {
  if (from.empty() || from == "none") return {};
  if (from == "shipped") return parse_bundles(kShippedBundles);
  const Input input = read_input(from, kMaxFileBytes);
  if (!input.problem.empty()) {
    throw std::runtime_error(
        fmt::format("--env-bundles {}: {}; allowed are shipped, none or a file", printable(from),
                    input.problem));
  }
  try {
    if (input.text.size() > kMaxFileBytes) throw Malformed("more than 1 MiB");
    return parse_bundles(input.text);
  } catch (const Malformed& problem) {
    throw std::runtime_error(printable(fmt::format("{}: {}", from, problem.what())));
  }
}

Json header_of(const std::vector<Bundle>& bundles) {
  Json header;
  for (const Bundle& bundle : bundles) header[bundle.name] = to_json(bundle);
  return header;
}

}  // namespace vernier::calibrate
