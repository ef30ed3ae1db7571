//===- CpuFeaturesTest.cpp - whether this CPU runs the program -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CpuFeatures.h"

#include <gtest/gtest.h>

using namespace colo::runtime;

namespace {

bool hasAvx2Only(std::string_view name) { return name.substr(0, 6) != "avx512"; }

bool hasLittle(std::string_view name) { return name.substr(0, 3) == "sse"; }

TEST(CpuFeatures, aProgramThatNamesNoneRunsOnAnyCpu) {
  EXPECT_FALSE(checkCpuFeatures(nullptr, hasLittle).failed());
  EXPECT_FALSE(checkCpuFeatures("", hasLittle).failed());
}

TEST(CpuFeatures, whatIsMissingIsNamedInOrderWithTheLevelThatFits) {
  EXPECT_FALSE(checkCpuFeatures("sse3,avx2", hasAvx2Only).failed());
  Status status = checkCpuFeatures("sse3,avx512f,avx2,avx512vl", hasAvx2Only);
  EXPECT_EQ(status.code, ExitUsage);
  EXPECT_EQ(status.message, "this program was compiled for a CPU with avx512f, avx512vl, which this one lacks; "
                            "compile it with --target=cpu:x86-64-v3");
}

TEST(CpuFeatures, aCpuBelowEveryLevelIsToldToCompileOnOneLikeIt) {
  EXPECT_EQ(
      checkCpuFeatures("sse3,avx2", hasLittle).message,
      "this program was compiled for a CPU with avx2, which this one lacks; compile it on a machine like this one");
}

TEST(CpuFeatures, namesThatTheTableLacksAreMissing) { EXPECT_FALSE(hasCpuFeature("avx1024")); }

} // namespace
