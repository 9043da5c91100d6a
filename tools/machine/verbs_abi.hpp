// SPDX-License-Identifier: Apache-2.0
//
// What we call of libibverbs.so.1, declared here because nothing that ships links it. Layouts are
// those of rdma-core's <infiniband/verbs.h> (ABI IBVERBS_1.1, since 2006); tests/unit/
// verbs_abi_test.cc compares them with the header.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vernier::machine::verbs {

struct PortAttributes {  // struct ibv_port_attr
  std::int32_t state;
  std::int32_t max_mtu;
  std::int32_t active_mtu;
  std::int32_t gid_tbl_len;
  std::uint32_t port_cap_flags;
  std::uint32_t max_msg_sz;
  std::uint32_t bad_pkey_cntr;
  std::uint32_t qkey_viol_cntr;
  std::uint16_t pkey_tbl_len;
  std::uint16_t lid;
  std::uint16_t sm_lid;
  std::uint8_t lmc;
  std::uint8_t max_vl_num;
  std::uint8_t sm_sl;
  std::uint8_t subnet_timeout;
  std::uint8_t init_type_reply;
  std::uint8_t active_width;
  std::uint8_t active_speed;
  std::uint8_t phys_state;
  std::uint8_t link_layer;
  std::uint8_t flags;
  std::uint16_t port_cap_flags2;
  std::uint32_t active_speed_ex;  // newer libraries
};

struct alignas(8) DeviceAttributes {  // struct ibv_device_attr; only its ends matter to us
  char fw_ver[64];
  std::byte between[163];
  std::uint8_t phys_port_cnt;
  std::byte spare[60];  // a library that writes more than we know of
};

using Device = struct DeviceTag;
using Context = struct ContextTag;

struct Library {
  Device** (*get_device_list)(int* count);
  void (*free_device_list)(Device** list);
  const char* (*get_device_name)(Device* device);
  Context* (*open_device)(Device* device);
  int (*close_device)(Context* context);
  int (*query_device)(Context* context, DeviceAttributes* attributes);
  int (*query_port)(Context* context, std::uint8_t port, PortAttributes* attributes);
};

}  // namespace vernier::machine::verbs
