// SPDX-License-Identifier: Apache-2.0
//
// Who has connected and not yet said who it is: port scanners, health checks, tasks of the job in
// the moment before their hello. They cost a file descriptor each, so that they are few and not
// for long; times are those of now_s().
#pragma once

#include <list>
#include <vector>

#include "tools/calibrate/live/line_socket.hpp"

namespace vernier::calibrate {

// A task that said hello, in whatever words.
struct Member {
  Json hello;
  LineSocket line;
};

class Strangers {
 public:
  // Takes those who wait at the door. False: more may wait there, but there is no room (64), or no
  // file descriptor, for them now; polling the listener would return at once.
  [[nodiscard]] bool let_in(const Socket& listener, double now_s);

  // Those who have said something since; who is gone, or silent for 10 s, is cut off.
  [[nodiscard]] std::vector<Member> take_speakers(double now_s);

  [[nodiscard]] std::size_t count() const { return all_.size(); }

 private:
  struct Stranger {
    LineSocket line;
    double since_s;
  };
  std::list<Stranger> all_;
};

}  // namespace vernier::calibrate
