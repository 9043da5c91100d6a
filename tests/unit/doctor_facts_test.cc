// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tools/doctor/distance.hpp"
#include "tools/doctor/nccl_plugins.hpp"

namespace vernier::doctor {
namespace {

using Names = std::vector<std::string>;

PciDevice at(std::vector<std::string> chain, int numa) {
  PciDevice device;
  device.chain = std::move(chain);
  device.numa = Reading<int>::of(numa);
  return device;
}

TEST(Distance, IsNamedAsNvidiaSmiAndNcclNameIt) {
  const PciDevice gpu = at({"pci0000:15", "15:01.0", "16:00.0", "17:01.0", "1b:00.0"}, 0);
  const auto to = [&](std::vector<std::string> chain, int numa, int nodes = 2) {
    return name_of(distance_between(gpu, at(std::move(chain), numa), nodes));
  };
  EXPECT_EQ(to({"pci0000:15", "15:01.0", "16:00.0", "17:00.0", "18:00.0"}, 0), "PIX");
  // Behind a second switch below the first.
  EXPECT_EQ(to({"pci0000:15", "15:01.0", "16:00.0", "17:02.0", "19:00.0", "1a:00.0", "1c:00.0"}, 0),
            "PXB");
  EXPECT_EQ(to({"pci0000:15", "15:02.0", "20:00.0"}, 0), "PHB");
  EXPECT_EQ(to({"pci0000:40", "40:01.0", "41:00.0"}, 0), "NODE");
  EXPECT_EQ(to({"pci0000:40", "40:01.0", "41:00.0"}, 1), "SYS");
  EXPECT_EQ(to({"pci0000:40", "40:01.0", "41:00.0"}, -1), "?");
  EXPECT_EQ(to({"pci0000:40", "40:01.0", "41:00.0"}, -1, 1), "NODE");
  EXPECT_EQ(to({}, 0), "?");
}

Nic nic_at(std::vector<std::string> chain, bool active) {
  Nic nic;
  nic.pci = at(std::move(chain), 0);
  nic.ports.push_back({1, active ? "ACTIVE" : "DOWN", "", "InfiniBand", 400, "", {}, {}, {}, {}});
  return nic;
}

TEST(Distance, EachGpuGetsTheNearestActiveNicAndEquallyNearOnesAreShared) {
  Facts facts;
  facts.system.numa_nodes = 1;
  for (const char* const host : {"pci0000:10", "pci0000:20", "pci0000:30"}) {
    facts.gpus.push_back({{}, at({host, "root", "gpu"}, 0), {}});
  }
  facts.nics = {nic_at({"pci0000:20", "other", "nic"}, true),
                nic_at({"pci0000:10", "other", "nic"}, false),
                nic_at({"pci0000:90", "other", "nic"}, true)};
  find_distances(facts);
  // GPU 0's own NIC is down; GPU 1 has one at its host bridge; GPU 2 takes the idler one.
  EXPECT_EQ(facts.nearest, (std::vector<int>{0, 0, 2}));
}

TEST(PluginNames, FollowTheRelease) {
  const auto tuner = [](const std::string& asked, int version) {
    return plugin_names(PluginKind::tuner, asked, version).names;
  };
  EXPECT_EQ(tuner("", 22005), Names{});
  EXPECT_EQ(tuner("x", 22005), Names{"x"});
  EXPECT_EQ(tuner("", 22105), Names{"libnccl-tuner.so"});
  EXPECT_EQ(tuner("x", 22602), (Names{"x", "libnccl-tuner-x.so"}));
  EXPECT_EQ(tuner("x", 22703), Names{"libnccl-tuner-x.so"});
  EXPECT_EQ(tuner("/a/libx.so", 22703), Names{"libnccl-tuner-/a/libx.so.so"});
  EXPECT_EQ(tuner("libx.so", 22703), Names{"libx.so"});
  EXPECT_EQ(tuner("/a/libx.so", 22705), Names{"/a/libx.so"});
  EXPECT_EQ(tuner("x", 22809), (Names{"x", "libnccl-tuner-x.so"}));
  EXPECT_TRUE(plugin_names(PluginKind::tuner, "NONE", 22803).off);
  EXPECT_FALSE(plugin_names(PluginKind::tuner, "none", 22705).off);
  EXPECT_TRUE(plugin_names(PluginKind::tuner, "static_plugin", 22809).built_in);
  EXPECT_FALSE(plugin_names(PluginKind::tuner, "STATIC_PLUGIN", 22703).built_in);
  EXPECT_EQ(plugin_names(PluginKind::profiler, "x", 22504).names, Names{"x"});
  EXPECT_EQ(plugin_names(PluginKind::profiler, "x", 22809).names,
            (Names{"x", "libnccl-profiler-x.so"}));
  EXPECT_EQ(plugin_names(PluginKind::profiler, "", 22105).names, Names{});
}

TEST(PluginSymbols, FollowTheRelease) {
  EXPECT_EQ(plugin_symbols(PluginKind::tuner, 22005), Names{"ncclTunerPlugin_v1"});
  EXPECT_EQ(plugin_symbols(PluginKind::tuner, 22105), Names{"ncclTunerPlugin_v2"});
  EXPECT_EQ(plugin_symbols(PluginKind::tuner, 22602),
            (Names{"ncclTunerPlugin_v4", "ncclTunerPlugin_v3", "ncclTunerPlugin_v2"}));
  EXPECT_EQ(plugin_symbols(PluginKind::tuner, 22809).front(), "ncclTunerPlugin_v5");
  EXPECT_EQ(plugin_symbols(PluginKind::tuner, 23007).front(), "ncclTunerPlugin_v6");
  EXPECT_EQ(plugin_symbols(PluginKind::profiler, 22203), Names{});
  EXPECT_EQ(plugin_symbols(PluginKind::profiler, 22304), Names{"ncclProfiler_v1"});
  EXPECT_EQ(plugin_symbols(PluginKind::profiler, 22907).front(), "ncclProfiler_v6");
}

TEST(NetPluginsFile, IsWhereATunerMayComeFrom) {
  EXPECT_TRUE(falls_back_to_net(PluginKind::tuner, 22602));
  EXPECT_FALSE(falls_back_to_net(PluginKind::profiler, 22705));
  EXPECT_TRUE(falls_back_to_net(PluginKind::profiler, 22809));
}

}  // namespace
}  // namespace vernier::doctor
