// SPDX-License-Identifier: Apache-2.0
//
// Where words go: results to stdout, talk to stderr. A script reads the first, a person both.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace vernier {

using Json = nlohmann::ordered_json;  // keys stay in the order in which they are written

// Each writes a whole line.
void print_result(std::string_view text);
void print_talk(std::string_view text);

// `text` from a file, safe for a terminal: control characters as \xNN.
[[nodiscard]] std::string printable(std::string_view text);

// One document, one line: a stream of documents is JSON Lines. Bytes that are not UTF-8 (a file
// name, a broken policy) become U+FFFD.
void print_json(const Json& document);

// False when stdout did not take everything, e.g. on a full disk.
[[nodiscard]] bool flush_results();

}  // namespace vernier
