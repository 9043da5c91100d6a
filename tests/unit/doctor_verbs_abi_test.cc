// SPDX-License-Identifier: Apache-2.0
//
// Our declarations of libibverbs against its header, where that is installed; and against the
// library, which every machine with the header has.
#include <gtest/gtest.h>

#include "tools/machine/verbs_abi.hpp"
#include "tools/machine/verbs_library.hpp"

#if __has_include(<infiniband/verbs.h>)
#include <infiniband/verbs.h>

namespace vernier::machine::verbs {
namespace {

#define SAME(ours, theirs, field) static_assert(offsetof(ours, field) == offsetof(theirs, field))
SAME(PortAttributes, ibv_port_attr, state);
SAME(PortAttributes, ibv_port_attr, active_mtu);
SAME(PortAttributes, ibv_port_attr, gid_tbl_len);
SAME(PortAttributes, ibv_port_attr, lid);
SAME(PortAttributes, ibv_port_attr, phys_state);
SAME(PortAttributes, ibv_port_attr, link_layer);
SAME(DeviceAttributes, ibv_device_attr, fw_ver);
SAME(DeviceAttributes, ibv_device_attr, phys_port_cnt);
#undef SAME
static_assert(sizeof(PortAttributes) >= sizeof(ibv_port_attr));
static_assert(sizeof(DeviceAttributes) >= sizeof(ibv_device_attr));
static_assert(alignof(DeviceAttributes) >= alignof(ibv_device_attr));
static_assert(IBV_PORT_ACTIVE == 4 && IBV_LINK_LAYER_ETHERNET == 2);

TEST(Verbs, TheRealLibraryAnswers) {
  const auto answers = ask_verbs();
  EXPECT_FALSE(answers.absent());
  EXPECT_TRUE(answers.present()) << answers.why;
}

}  // namespace
}  // namespace vernier::machine::verbs
#else
TEST(Verbs, TheRealLibraryAnswers) { GTEST_SKIP() << "no <infiniband/verbs.h>"; }
#endif
