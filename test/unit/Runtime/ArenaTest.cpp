//===- ArenaTest.cpp - where the regions of a rank lie -----------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Regions start where cuBLASLt lets scratch memory start, whatever the sizes before.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Arena.h"
#include "colo/Runtime/Program.h"

#include <gtest/gtest.h>
#include <memory>

using namespace colo::runtime;

namespace {

TEST(Arena, regionsStartAtMultiplesOf256AndDoNotOverlap) {
  for (int64_t first : {1, 64, 65, 192, 256, 320}) {
    std::unique_ptr<Device> device(static_cast<Device *>(colo_cpu_device()));
    Arena arena;
    const int64_t sizes[Arena::RegionCount] = {first, 64, 100, 7, 192, 320, 1, 65, 4096};
    ASSERT_FALSE(arena.allocate(*device, sizes).failed());
    for (int i = 0; i < Arena::RegionCount; ++i) {
      auto region = static_cast<Arena::Region>(i);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(arena.begin(region)) % 256, 0u) << Arena::name(i) << " behind " << first;
      EXPECT_EQ(arena.bytes(i), roundTo64(sizes[i]));
      char *end = arena.begin(region) + arena.bytes(i);
      EXPECT_LE(end, i + 1 < Arena::RegionCount ? arena.begin(static_cast<Arena::Region>(i + 1))
                                                : arena.begin(Arena::Params) + arena.total());
    }
  }
}

} // namespace
