// SPDX-License-Identifier: Apache-2.0
//
// fmt's functions, from its headers, compiled here once: header-only, every file that formats
// compiles all of them again.
#include <fmt/format-inl.h>

// Declared `extern` or used by inline functions elsewhere, and templates.
FMT_BEGIN_NAMESPACE
namespace detail {
template auto thousands_sep_impl<char>(locale_ref) -> thousands_sep_result<char>;
template auto decimal_point_impl<char>(locale_ref) -> char;
template void buffer<char>::append(const char*, const char*);
template void vformat_to(buffer<char>&, string_view, basic_format_args<FMT_BUFFER_CONTEXT(char)>,
                         locale_ref);
}  // namespace detail
FMT_END_NAMESPACE
