//===- ThreadsTest.cpp - the team of a rank ----------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../../../lib/Runtime/Threads.h"
#include "colo/Runtime/Program.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <set>

using namespace colo::runtime;

extern "C" void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags);
extern "C" int omp_get_thread_num(void);
extern "C" int omp_get_num_threads(void);

namespace {

struct Touched {
  std::vector<std::atomic<int>> units;
  static void kernel(void **arguments, int64_t begin, int64_t end) {
    auto *touched = static_cast<Touched *>(arguments[0]);
    for (int64_t i = begin; i < end; ++i)
      ++touched->units[i];
  }
};

TEST(Threads, EveryUnitOfAKernelRunsOnceForAnyExtentAndGrain) {
  for (int64_t threads : {1, 2, 3, 5}) {
    setRankThreads(threads);
    for (int64_t extent : {1, 2, 3, 7, 39, 40, 41, 1000})
      for (int64_t grain : {1, 2, 100}) {
        Touched touched{std::vector<std::atomic<int>>(extent)};
        void *arguments[] = {&touched};
        colo_launch(nullptr, Touched::kernel, arguments, extent, grain);
        for (auto &unit : touched.units)
          ASSERT_EQ(unit, 1) << threads << " threads, extent " << extent << ", grain " << grain;
      }
  }
  setRankThreads(1);
}

TEST(Threads, AMemberThatIsLateHoldsNoPieceOfOthersBack) {
  // Member 1 sleeps in its first piece; the rest of its share is done by member 0.
  struct State {
    std::atomic<int> bySleeper{0};
    static void kernel(void **arguments, int64_t begin, int64_t end) {
      auto *state = static_cast<State *>(arguments[0]);
      if (omp_get_thread_num() == 1) {
        state->bySleeper += static_cast<int>(end - begin);
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
    }
  } state;
  Team team(2);
  void *arguments[] = {&state};
  team.runKernel(State::kernel, arguments, 16, 2);
  EXPECT_LE(state.bySleeper, 2);
}

TEST(Threads, ARegionsMembersMeetAtBarriers) {
  struct State {
    std::atomic<int> arrived[50] = {};
    std::atomic<bool> early{false};
  } state;
  setRankThreads(3);
  auto body = [](void *data) {
    auto *state = static_cast<State *>(data);
    for (auto &arrived : state->arrived) {
      ++arrived;
      reinterpret_cast<void (*)()>(dlsym(RTLD_DEFAULT, "GOMP_barrier"))();
      if (arrived != omp_get_num_threads())
        state->early = true;
    }
  };
  for (int i = 0; i < 20; ++i) {
    for (auto &arrived : state.arrived)
      arrived = 0;
    GOMP_parallel(body, &state, 0, 0);
    EXPECT_EQ(state.arrived[49], 3);
  }
  EXPECT_FALSE(state.early);
  setRankThreads(1);
}

TEST(Threads, ARegionInsideARegionRunsAlone) {
  static std::atomic<int> inner, outer;
  inner = outer = 0;
  setRankThreads(2);
  auto body = [](void *) {
    ++outer;
    GOMP_parallel([](void *) { inner += omp_get_num_threads(); }, nullptr, 2, 0);
  };
  GOMP_parallel(body, nullptr, 2, 0);
  EXPECT_EQ(outer, 2);
  EXPECT_EQ(inner, 2);
  setRankThreads(1);
}

TEST(Threads, TheLoaderBindsOpenMPToTheExecutable) {
  Dl_info own, found;
  ASSERT_TRUE(dladdr(reinterpret_cast<void *>(&colo_launch), &own));
  for (const char *name : {"GOMP_parallel", "GOMP_barrier", "omp_get_max_threads", "omp_get_num_threads",
                           "omp_get_thread_num", "omp_in_parallel"}) {
    ASSERT_TRUE(dladdr(dlsym(RTLD_DEFAULT, name), &found)) << name;
    EXPECT_EQ(own.dli_fbase, found.dli_fbase) << name << " is " << found.dli_fname << "'s";
  }
}

} // namespace
