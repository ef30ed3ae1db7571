//===- Profile.h - where a rank's time goes ----------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// --profile: wall-clock seconds of every product, kernel and collective of a
// rank, by the clock around each call that emitted code makes. A rank's calls
// follow each other on its own thread, so the sums and the rest are the step.
// Collectives on other streams overlap with it; what the rank waits for them
// counts as waiting. Beside it the seconds that the rank's thread had a core:
// where ranks outnumber cores the clock also counts the work of the others.
//
// On a device with memory of its own the times are those of its streams, between
// marks before and behind each call's work (DeviceProfile.cpp).
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_PROFILE_H
#define COLO_LIB_RUNTIME_PROFILE_H

#include "colo/Runtime/Device.h"
#include "colo/Runtime/Program.h"

#include <chrono>
#include <ctime>
#include <map>
#include <optional>
#include <vector>

namespace colo::runtime {

/// What passed of a thread: seconds by the clock, and those in which it had a core.
struct Elapsed {
  double clock = 0, core = 0;
  Elapsed &operator+=(const Elapsed &other) {
    clock += other.clock;
    core += other.core;
    return *this;
  }
};

/// Measures the calling thread from its construction on.
class Stopwatch {
public:
  Stopwatch() : begin(std::chrono::steady_clock::now()), beginOnCore(onCore()) {}
  Elapsed elapsed() const {
    return {std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), onCore() - beginOnCore};
  }

private:
  static double onCore() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }
  std::chrono::steady_clock::time_point begin;
  double beginOnCore;
};

class Profile {
public:
  enum Kind { Product, Kernel, Collective, Waiting, KindCount };

  /// Of work on the device.
  Profile(const ColoProgram &program, Device &device);
  /// Before the first step. `memory` of the device, which nobody needs yet, is for products that show what it can do.
  Status prepare(char *memory, int64_t bytes);

  bool isOnStreams() const { return !device.sharesMemory(); }
  /// `key` is the index of a product or site, of a device's kernel or the address of a host's, or 0.
  void add(Kind kind, uintptr_t key, const Elapsed &elapsed, int64_t bytes = 0);
  /// Marks the stream that a call is about to put work on, and behind that work. `bytes`: what a kernel has to move.
  void begin(Kind kind, uintptr_t key, int64_t bytes);
  void end();
  /// Waits for the device and adds what has been marked.
  void collect();
  /// Forgets what was measured; the first step warms up.
  void reset();
  /// Prints totals by kind and the dearest calls, per step.
  void print(int64_t steps, const Elapsed &elapsed) const;

private:
  struct Entry {
    Kind kind = KindCount; ///< free
    uintptr_t key = 0;
    int64_t calls = 0, bytes = 0;
    Elapsed elapsed;
  };
  struct Span {
    Kind kind;
    uintptr_t key;
    int64_t bytes;
  };
  std::vector<Entry> sortedEntries() const;
  void printOnStreams(int64_t steps, const Elapsed &elapsed) const;
  std::string describeCollective(uintptr_t key) const;
  int64_t streamOf(Kind kind, uintptr_t key) const;
  Status measureProducts(int32_t dtype, char *memory, int64_t bytes);
  /// Seconds that the device takes at least for an entry; 0: not known.
  double floorOf(const Entry &entry) const;

  const ColoProgram &program;
  Device &device;
  std::vector<Span> spans;            ///< not yet added; room for all marks
  std::map<int32_t, double> flopRate; ///< of large products, by element type
  std::vector<Entry> table;           ///< open addressing, never grows; its size is a power of two
  Entry overflow;                     ///< calls that found no place in the table
};

/// Sizes, GFLOP/s and place of a product that took `seconds` in `calls` executions.
std::string describeProduct(const ColoGemm &gemm, int64_t calls, double seconds);

/// The profile of the calling thread's rank, or null.
void setProfile(Profile *profile);
Profile *currentProfile();

/// Adds the time from here to the end of the scope to the thread's profile.
class ProfileScope {
public:
  ProfileScope(Profile::Kind kind, uintptr_t key, int64_t bytes = 0)
      : ProfileScope(currentProfile(), kind, key, bytes) {}
  /// Null: nothing is timed.
  ProfileScope(Profile *profile, Profile::Kind kind, uintptr_t key, int64_t bytes)
      : profile(profile), kind(kind), key(key) {
    if (profile && profile->isOnStreams())
      profile->begin(kind, key, bytes);
    else if (profile)
      watch.emplace();
  }
  ~ProfileScope() {
    if (watch)
      profile->add(kind, key, watch->elapsed());
    else if (profile)
      profile->end();
  }
  ProfileScope(const ProfileScope &) = delete;

private:
  Profile *profile;
  Profile::Kind kind;
  uintptr_t key;
  std::optional<Stopwatch> watch;
};

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_PROFILE_H
