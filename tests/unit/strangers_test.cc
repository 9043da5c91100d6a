// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/strangers.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include <vector>

namespace vernier::calibrate {
namespace {

// A listener at a port of the system's choice, and those who connect to it.
class StrangersTest : public testing::Test {
 protected:
  void SetUp() override {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    ASSERT_EQ(getsockname(listener_.fd(), reinterpret_cast<sockaddr*>(&address), &length), 0);
    port_ = ntohs(address.sin_port);
  }

  Socket knock() {
    std::string problem;
    return connect_to({"127.0.0.1", port_}, 5000, problem);
  }

  void knock(std::size_t count) {
    while (peers_.size() < count) {
      peers_.push_back(knock());
      ASSERT_GE(peers_.back().fd(), 0);
    }
  }

  Socket listener_ = listen_at({"127.0.0.1", 0});
  int port_ = 0;
  std::vector<Socket> peers_;
  Strangers strangers_;
};

TEST_F(StrangersTest, AreCutOffWhenSilentForTenSeconds) {
  knock(1);
  EXPECT_TRUE(strangers_.let_in(listener_, 100));
  knock(2);
  EXPECT_TRUE(strangers_.let_in(listener_, 105));
  EXPECT_TRUE(strangers_.take_speakers(109).empty());
  EXPECT_EQ(strangers_.count(), 2u);
  EXPECT_TRUE(strangers_.take_speakers(111).empty());
  EXPECT_EQ(strangers_.count(), 1u);
}

TEST_F(StrangersTest, AreNoMoreThan64UntilOneIsGoneOrSpeaks) {
  knock(70);
  EXPECT_FALSE(strangers_.let_in(listener_, 0));
  EXPECT_EQ(strangers_.count(), 64u);

  LineSocket speaker(std::move(peers_.front()));
  ASSERT_TRUE(speaker.send({{"rank", 1}}));
  std::vector<Member> speakers = strangers_.take_speakers(1);
  ASSERT_EQ(speakers.size(), 1u);
  EXPECT_EQ(speakers.front().hello, Json({{"rank", 1}}));
  EXPECT_EQ(strangers_.count(), 63u);

  peers_.clear();
  (void)strangers_.take_speakers(2);
  EXPECT_EQ(strangers_.count(), 0u);
  EXPECT_TRUE(strangers_.let_in(listener_, 3)) << "there is room for all";
}

TEST_F(StrangersTest, AreWaitedForWhereThereIsNoFileDescriptor) {
  knock(1);
  rlimit files{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  const rlimit none{0, files.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const bool all = strangers_.let_in(listener_, 0);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
  EXPECT_FALSE(all) << "the listener stays readable";
  EXPECT_TRUE(strangers_.let_in(listener_, 0));
  EXPECT_EQ(strangers_.count(), 1u);
}

}  // namespace
}  // namespace vernier::calibrate
