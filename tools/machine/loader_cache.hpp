// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vernier::machine {

// The file that /etc/ld.so.cache, whose content is `cache`, has for `name`: the first entry for
// this kind of machine, as the loader takes it. Nothing where the cache has none, or is not of the
// format that glibc has written since 2.2 ("glibc-ld.so.cache1.1").
[[nodiscard]] std::optional<std::string> find_in_loader_cache(std::string_view cache,
                                                              std::string_view name);

}  // namespace vernier::machine
