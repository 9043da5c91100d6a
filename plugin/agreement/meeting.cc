// SPDX-License-Identifier: Apache-2.0
#include "plugin/agreement/meeting.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <new>

#include "vernier/sha256.hpp"

namespace vernier {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

namespace {

constexpr std::uint32_t kMaxRanks = 4096;  // of one node
constexpr int kTries = 2;                  // a region that nobody can use is removed first
// A verdict whose writer died before it woke anybody is seen after that time.
constexpr auto kLongestSleep = 50ms;

}  // namespace

// All bytes 0 is a region that nobody has joined.
struct Meeting::Region {
  static constexpr std::uint64_t kLayout = 0x7665726e69657201;  // "vernier", 1

  std::uint64_t layout;
  std::uint32_t nranks;
  std::atomic<std::uint32_t> voters;   // whose ballots are there
  std::atomic<std::uint32_t> verdict;  // set once, by compare-and-swap; never changes again
  std::uint32_t unused[11];
  // Behind it: one Ballot a rank.

  [[nodiscard]] Ballot* ballots() { return reinterpret_cast<Ballot*>(this + 1); }
  [[nodiscard]] static std::size_t size(std::uint32_t nranks) {
    return sizeof(Region) + nranks * sizeof(Ballot);
  }
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

Meeting::Meeting(const MeetingKey& key, const Ballot& ballot, std::chrono::milliseconds timeout,
                 const std::string& directory)
    : ballot_(ballot), nranks_(static_cast<std::uint32_t>(key.nranks)), timeout_(timeout) {
  static_assert(sizeof(Region) == 64);
  const auto hash = sha256(fmt::format("{} {} {}", key.comm_id, key.nranks, key.host));
  const auto user = geteuid();
  names_path_ = fmt::format("{}/vernier-{}", directory, user);
  region_path_ = fmt::format("{}/vernier-{}-{:02x}", directory, user,
                             fmt::join(hash.begin(), hash.begin() + 16, ""));
  // Two keys with one byte wait for one another a little, no more.
  std::uint32_t byte = 0;
  std::memcpy(&byte, hash.data() + 16, sizeof(byte));
  key_byte_ = byte >> 1;
}

// Not left to the descriptor, of which a forked child may hold a copy.
Meeting::~Meeting() {
  if (voter_ >= 0) unlock_byte(file_, voter_);
}

Verdict Meeting::attend() noexcept {
  const Deadline deadline = steady_clock::now() + timeout_;
  if (!join(deadline)) return Verdict::none;
  while (region_->verdict.load() == static_cast<std::uint32_t>(Verdict::none)) {
    const auto now = steady_clock::now();
    if (now >= deadline) {
      conclude(Verdict::missing);
      // The region is of no more use. If the name stays because somebody holds its lock, the next
      // one to come removes it.
      if (lock_byte(names_, key_byte_, now + 10ms)) {
        if (is_named(file_, region_path_.c_str())) unlink(region_path_.c_str());
        unlock_byte(names_, key_byte_);
      }
      break;
    }
    wait_while(region_->verdict, static_cast<std::uint32_t>(Verdict::none),
               std::min<Deadline>(deadline, now + kLongestSleep));
  }
  return static_cast<Verdict>(region_->verdict.load());
}

// The first to conclude decides; everybody obeys what stands.
void Meeting::conclude(Verdict verdict) noexcept {
  auto none = static_cast<std::uint32_t>(Verdict::none);
  if (region_->verdict.compare_exchange_strong(none, static_cast<std::uint32_t>(verdict))) {
    wake_all(region_->verdict);
  }
}

bool Meeting::join(Deadline deadline) noexcept {
  if (nranks_ > kMaxRanks) return fail("more than 4,096 ranks on one node", 0);
  if (!lock_names(deadline)) return false;
  bool joined = false;
  for (int i = 0; i < kTries && !joined && problem_ == nullptr; ++i) joined = try_join();
  unlock_byte(names_, key_byte_);
  if (!joined && problem_ == nullptr) fail(region_path_.c_str(), EBUSY);
  return joined;
}

bool Meeting::lock_names(Deadline deadline) noexcept {
  do {
    names_ = open_private(names_path_.c_str());
    if (!names_) return fail(names_path_.c_str(), errno);
    if (!lock_byte(names_, key_byte_, deadline)) return fail(names_path_.c_str(), errno);
    // Somebody may clean up /dev/shm: a lock of a file without a name keeps nobody out.
  } while (!is_named(names_, names_path_.c_str()) && steady_clock::now() < deadline);
  return true;
}

// With the key's byte locked. False: failed, or the region was of no use and is gone now.
bool Meeting::try_join() noexcept {
  file_ = open_private(region_path_.c_str());
  if (!file_) return fail(region_path_.c_str(), errno);
  const std::size_t nbytes = Region::size(nranks_);
  const off_t found = size_of(file_);
  if (found != 0 && found != static_cast<off_t>(nbytes)) {
    unlink(region_path_.c_str());
    return false;
  }
  mapping_ = Mapping(file_, nbytes);
  if (!mapping_) {
    const int error = errno;
    if (found == 0) unlink(region_path_.c_str());
    return fail(region_path_.c_str(), error);
  }
  region_ = std::launder(reinterpret_cast<Region*>(mapping_.bytes()));
  if (region_->layout == 0) {
    region_->nranks = nranks_;
    region_->layout = Region::kLayout;
  }
  const std::uint32_t voter = region_->voters.load();
  if (!is_open(voter)) {
    unlink(region_path_.c_str());
    return false;
  }

  region_->ballots()[voter] = ballot_;
  if (!lock_byte(file_, voter, steady_clock::now())) return fail(region_path_.c_str(), errno);
  voter_ = voter;
  region_->voters.store(voter + 1);  // now it has voted
  if (voter + 1 == nranks_) {
    conclude(judge());
    unlink(region_path_.c_str());
  }
  return true;
}

// Whether it is a meeting that has no verdict yet and that somebody is at, or nobody ever was.
bool Meeting::is_open(std::uint32_t voters) const noexcept {
  if (region_->layout != Region::kLayout || region_->nranks != nranks_ || voters >= nranks_ ||
      region_->verdict.load() != static_cast<std::uint32_t>(Verdict::none)) {
    return false;
  }
  if (voters == 0) return true;
  for (std::uint32_t voter = 0; voter < voters; ++voter) {
    if (is_alive(voter)) return true;
  }
  return false;
}

bool Meeting::is_alive(std::uint32_t voter) const noexcept {
  return is_locked_elsewhere(file_, static_cast<off_t>(voter));
}

// By the last one to come.
Verdict Meeting::judge() const noexcept {
  for (std::uint32_t voter = 0; voter + 1 < nranks_; ++voter) {
    if (!is_alive(voter)) return Verdict::died;
  }
  for (std::uint32_t voter = 0; voter < nranks_; ++voter) {
    if (!agree(region_->ballots()[voter], ballot_)) return Verdict::differ;
  }
  return Verdict::active;
}

bool Meeting::fail(const char* what, int error) noexcept {
  problem_ = what;
  error_ = error;
  return false;
}

std::vector<Ballot> Meeting::present() const {
  if (problem_ != nullptr || region_ == nullptr) return {};
  const std::uint32_t voters = std::min(region_->voters.load(), nranks_);
  return {region_->ballots(), region_->ballots() + voters};
}

std::string Meeting::problem() const {
  if (problem_ == nullptr) return {};
  if (error_ == 0) return problem_;
  const char* why = std::strerror(error_);
  if (error_ == EPERM || error_ == EACCES) why = "belongs to another user, or is no plain file";
  if (error_ == EAGAIN) why = "is held by others for as long as the timeout";
  return fmt::format("{}: {}", problem_, why);
}

}  // namespace vernier
