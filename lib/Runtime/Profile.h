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
// counts as waiting.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_PROFILE_H
#define COLO_LIB_RUNTIME_PROFILE_H

#include "colo/Runtime/Program.h"

#include <chrono>
#include <vector>

namespace colo::runtime {

class Profile {
public:
  enum Kind { Product, Kernel, Collective, Waiting, KindCount };

  explicit Profile(const ColoProgram &program);

  /// `key` is the index of a product or site, the address of a kernel's entry, or 0.
  void add(Kind kind, uintptr_t key, double seconds);
  /// Forgets what was measured; the first step warms up.
  void reset();
  /// Prints totals by kind and the dearest calls, per step.
  void print(int64_t steps, double seconds) const;

private:
  struct Entry {
    Kind kind = KindCount; ///< free
    uintptr_t key = 0;
    int64_t calls = 0;
    double seconds = 0;
  };
  const ColoProgram &program;
  std::vector<Entry> table; ///< open addressing, never grows; its size is a power of two
  Entry overflow;           ///< calls that found no place in the table
};

/// The profile of the calling thread's rank, or null.
void setProfile(Profile *profile);
Profile *currentProfile();

/// Adds the time from here to the end of the scope to the thread's profile.
class ProfileScope {
public:
  ProfileScope(Profile::Kind kind, uintptr_t key) : profile(currentProfile()), kind(kind), key(key) {
    if (profile)
      begin = std::chrono::steady_clock::now();
  }
  ~ProfileScope() {
    if (profile)
      profile->add(kind, key, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  ProfileScope(const ProfileScope &) = delete;

private:
  Profile *profile;
  Profile::Kind kind;
  uintptr_t key;
  std::chrono::steady_clock::time_point begin;
};

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_PROFILE_H
