//===- GemmTest.cpp - matrix products against plain loops --------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All of ProductCases.h, in f32 and f64.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Gemm.h"
#include "../../../lib/Runtime/Threads.h"
#include "ProductCases.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace colo::runtime;
using namespace colo::runtime::testing;

namespace {

template <typename T> void check(const ColoGemm &g, const char *what) {
  Operands<T> operands(7);
  std::vector<T> expected = operands.c, first = operands.c, second = operands.c;
  naive(g, operands.a.data(), operands.b.data(), expected);
  GemmSet set;
  Status status = set.prepare(&g, 1);
  ASSERT_FALSE(status.failed()) << what << ": " << status.message;
  set.run(0, operands.a.data(), operands.b.data(), first.data());
  set.run(0, operands.a.data(), operands.b.data(), second.data());
  EXPECT_EQ(0, std::memcmp(first.data(), second.data(), first.size() * sizeof(T))) << what << " is not deterministic";
  double tolerance = (sizeof(T) == 4 ? 1e-5 : 1e-13) * std::sqrt(static_cast<double>(g.k));
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(first[i], expected[i], tolerance) << what << " at " << i << " by " << set.implementation(0);
  EXPECT_EQ(set.implementation(0).find("ref"), std::string::npos) << what << " runs on " << set.implementation(0);
  EXPECT_EQ(set.calls()[0], 2);
}

void checkBoth(ColoGemm g, const char *what) {
  for (double beta : {0.0, 1.0}) {
    g.beta = beta;
    g.dtype = COLO_F32;
    check<float>(g, what);
    g.dtype = COLO_F64;
    check<double>(g, what);
  }
}

TEST(Gemm, densePlain) { forDense(checkBoth); }
TEST(Gemm, rowsFurtherApartThanTheirLength) { forWideRows(checkBoth); }
TEST(Gemm, batches) { forBatches(checkBoth); }
TEST(Gemm, headsInsideAFusedProjection) { forHeads(checkBoth); }
TEST(Gemm, anOperandSharedByTheBatch) { forSharedOperand(checkBoth); }

// 48 x 72 x 50 multiplications are more than 2^17, 80 x 80 x 24 too.
TEST(Gemm, smallBatchesAndLargeOnesAreDoneByTheLibraryThatIsFasterThere) {
  for (int64_t size : productSizes) {
    ColoGemm g = batched(dense(COLO_F32, size, 3 * size / 2, size + 2), 2, 3);
    GemmSet set;
    ASSERT_FALSE(set.prepare(&g, 1).failed());
    EXPECT_EQ(set.implementation(0) == "openblas", size == 8);
  }
}

template <typename T> std::vector<T> resultByThreads(const ColoGemm &g, int64_t threads) {
  Operands<T> operands(7);
  setRankThreads(threads);
  GemmSet set;
  EXPECT_FALSE(set.prepare(&g, 1).failed());
  set.run(0, operands.a.data(), operands.b.data(), operands.c.data());
  setRankThreads(1);
  return operands.c;
}

TEST(Gemm, aTeamThatSharesABatchGivesTheSameBits) {
  ColoGemm g = batched(dense(COLO_F32, 32, 32, 32), 20, 9);
  EXPECT_EQ(resultByThreads<float>(g, 1), resultByThreads<float>(g, 4));
  g.dtype = COLO_F64;
  EXPECT_EQ(resultByThreads<double>(g, 1), resultByThreads<double>(g, 4));
}

TEST(Gemm, rejectsWhatTheContractExcludes) {
  ColoGemm g = dense(COLO_F32, 4, 4, 4);
  g.cn = 2;
  GemmSet set;
  Status status = set.prepare(&g, 1);
  EXPECT_EQ(status.code, ExitInternal);
  EXPECT_NE(status.message.find("test.colo:1:1"), std::string::npos);
}

TEST(Gemm, countsFlops) {
  ColoGemm g = batched(dense(COLO_F32, 8, 12, 10), 2, 3);
  EXPECT_EQ(GemmSet::flops(g), 2 * 6 * 8 * 12 * 10);
}

} // namespace
