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
#include "EpilogueCases.h"

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
  set.run(0, {operands.a.data(), operands.b.data(), first.data()});
  set.run(0, {operands.a.data(), operands.b.data(), second.data()});
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
    g.dtype = g.resultDtype = COLO_F32;
    check<float>(g, what);
    g.dtype = g.resultDtype = COLO_F64;
    check<double>(g, what);
  }
}

/// Products of 16-bit floats are those of the widened operands, rounded at most once.
template <typename T, typename R> void checkNarrow(ColoGemm g, const char *what) {
  Operands<float> wide(7);
  std::vector<T> a, b;
  std::vector<R> c;
  for (float &x : wide.a)
    x = static_cast<float>(a.emplace_back(T(x)));
  for (float &x : wide.b)
    x = static_cast<float>(b.emplace_back(T(x)));
  for (float &x : wide.c)
    x = static_cast<float>(c.emplace_back(R(x)));
  std::vector<float> expected = wide.c;
  naive(g, wide.a.data(), wide.b.data(), expected);
  GemmSet set;
  Status status = set.prepare(&g, 1);
  ASSERT_FALSE(status.failed()) << what << ": " << status.message;
  set.run(0, {a.data(), b.data(), c.data()});
  double unit = sizeof(R) == 4 ? 0 : std::is_same_v<R, BFloat16> ? 0x1p-8 : 0x1p-11;
  double sums = 1e-5 * std::sqrt(static_cast<double>(g.k));
  for (size_t i = 0; i < expected.size(); ++i) {
    double error = std::abs(static_cast<float>(c[i]) - expected[i]);
    if (!(error <= sums + unit * std::abs(expected[i])))
      FAIL() << what << " differs by " << error << " at " << i << " by " << set.implementation(0);
  }
}

void checkAllNarrow(ColoGemm g, const char *what) {
  for (double beta : {0.0, 1.0}) {
    g.beta = beta;
    g.dtype = g.resultDtype = COLO_BF16;
    checkNarrow<BFloat16, BFloat16>(g, what);
    g.resultDtype = COLO_F32;
    checkNarrow<BFloat16, float>(g, what);
    g.dtype = g.resultDtype = COLO_F16;
    checkNarrow<Float16, Float16>(g, what);
    g.resultDtype = COLO_F32;
    checkNarrow<Float16, float>(g, what);
  }
}

TEST(Gemm, sixteenBitsDense) { forDense(checkAllNarrow); }
TEST(Gemm, sixteenBitsInRowsFurtherApartThanTheirLength) { forWideRows(checkAllNarrow); }
TEST(Gemm, sixteenBitsInBatches) { forBatches(checkAllNarrow); }
TEST(Gemm, sixteenBitsInHeads) { forHeads(checkAllNarrow); }
TEST(Gemm, sixteenBitsSharedByTheBatch) { forSharedOperand(checkAllNarrow); }

TEST(Half, narrowsToTheNearestOfTwoTheEvenOne) {
  EXPECT_EQ(BFloat16(1.0f + 0x1p-8f).bits, 0x3F80);
  EXPECT_EQ(BFloat16(1.0f + 0x3p-8f).bits, 0x3F82);
  EXPECT_EQ(BFloat16(1.0f + 0x1.1p-8f).bits, 0x3F81);
  EXPECT_EQ(BFloat16(-3.4e38f).bits, 0xFF80);
  EXPECT_EQ(Float16(1.0f + 0x1p-11f).bits, 0x3C00);
  EXPECT_EQ(Float16(1.0f + 0x3p-11f).bits, 0x3C02);
  EXPECT_EQ(Float16(65504.0f).bits, 0x7BFF);
  EXPECT_EQ(Float16(65520.0f).bits, 0x7C00);
  EXPECT_EQ(Float16(0x1p-24f).bits, 1);
  EXPECT_EQ(Float16(-0x1p-25f).bits, 0x8000);
  EXPECT_EQ(Float16(std::nanf("")).bits & 0x7FFF, 0x7E00);
  EXPECT_EQ(BFloat16(std::nanf("")).bits & 0x7FFF, 0x7FC0);
}

template <typename T> bool comesBack(uint32_t bits) {
  T value;
  value.bits = static_cast<uint16_t>(bits);
  float wide = static_cast<float>(value);
  return wide != wide || T(wide).bits == value.bits;
}

TEST(Half, whatIsWidenedComesBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    ASSERT_TRUE(comesBack<Float16>(bits)) << bits;
    ASSERT_TRUE(comesBack<BFloat16>(bits)) << bits;
  }
}

TEST(Gemm, densePlain) { forDense(checkBoth); }
TEST(Gemm, rowsFurtherApartThanTheirLength) { forWideRows(checkBoth); }
TEST(Gemm, batches) { forBatches(checkBoth); }
TEST(Gemm, headsInsideAFusedProjection) { forHeads(checkBoth); }
TEST(Gemm, anOperandSharedByTheBatch) { forSharedOperand(checkBoth); }

TEST(Gemm, biasesAddendsAndActivationsBeforeTheResultIsRounded) {
  forEpilogues([](const ColoGemm &g, auto product, const char *what) {
    GemmSet set;
    Status status = set.prepare(&g, 1);
    ASSERT_FALSE(status.failed()) << what << ": " << status.message;
    set.run(0, {product.a.data(), product.b.data(), product.c.data(), product.bias.data(), product.addend.data(),
                product.sums.data(), product.aux.data()});
    product.expectResult(g, what);
  });
}

TEST(Gemm, activationsOfF32AndOfOddRowsAreRefused) {
  ColoGemm g = dense(COLO_F32, 8, 8, 8);
  g.epilogue = COLO_EPILOGUE_GELU_GRAD;
  EXPECT_TRUE(GemmSet().prepare(&g, 1).failed());
  g.dtype = g.resultDtype = COLO_BF16;
  EXPECT_FALSE(GemmSet().prepare(&g, 1).failed());
  g.cm = 12;
  EXPECT_TRUE(GemmSet().prepare(&g, 1).failed());
  g.epilogue = COLO_EPILOGUE_GELU | COLO_EPILOGUE_ARGUMENT;
  EXPECT_TRUE(GemmSet().prepare(&g, 1).failed());
  g.epilogue = COLO_EPILOGUE_GELU;
  EXPECT_FALSE(GemmSet().prepare(&g, 1).failed());
  g.dtype = g.resultDtype = COLO_F32;
  EXPECT_TRUE(GemmSet().prepare(&g, 1).failed());
  g.epilogue = COLO_EPILOGUE_RELU;
  EXPECT_FALSE(GemmSet().prepare(&g, 1).failed());
}

TEST(Gemm, auxiliaryMatricesOfABatchLieOneBehindAnother) {
  ColoGemm heads = batched(dense(COLO_BF16, 8, 16, 8), 1, 3);
  heads.epilogue = COLO_EPILOGUE_GELU | COLO_EPILOGUE_ARGUMENT;
  EXPECT_FALSE(GemmSet().prepare(&heads, 1).failed());
  heads.cm = 48, heads.cBatch[1] = 16;
  EXPECT_TRUE(GemmSet().prepare(&heads, 1).failed());
  heads.epilogue = COLO_EPILOGUE_GELU;
  EXPECT_FALSE(GemmSet().prepare(&heads, 1).failed());
}

TEST(Gemm, activationsOfAnotherKindOrBesideSumsAreRefused) {
  ColoGemm g = dense(COLO_BF16, 8, 8, 8);
  for (int32_t epilogue : std::initializer_list<int32_t>{
           COLO_EPILOGUE_GELU | COLO_EPILOGUE_RELU, COLO_EPILOGUE_RELU | COLO_EPILOGUE_ARGUMENT, COLO_EPILOGUE_ARGUMENT,
           COLO_EPILOGUE_GELU | COLO_EPILOGUE_SUM_A, COLO_EPILOGUE_RELU | COLO_EPILOGUE_SUM_B,
           COLO_EPILOGUE_GELU_GRAD | COLO_EPILOGUE_BIAS}) {
    g.epilogue = epilogue;
    EXPECT_TRUE(GemmSet().prepare(&g, 1).failed()) << epilogue;
  }
}

TEST(Gemm, sumsOfABatchAreRefused) {
  ColoGemm g = batched(dense(COLO_F32, 4, 4, 4), 2, 3);
  g.epilogue = COLO_EPILOGUE_SUM_A;
  GemmSet set;
  EXPECT_TRUE(set.prepare(&g, 1).failed());
}

TEST(Gemm, sumsAlongWhichTheirOperandIsNotContiguousAreRefused) {
  ColoGemm g = dense(COLO_F32, 4, 6, 8);
  for (auto [product, epilogue, isLegal] : {std::tuple(g, COLO_EPILOGUE_SUM_A, false),
                                            {transposeA(g), COLO_EPILOGUE_SUM_A, true},
                                            {g, COLO_EPILOGUE_SUM_B, true},
                                            {transposeB(g), COLO_EPILOGUE_SUM_B, false}}) {
    ColoGemm summed = product;
    summed.epilogue = epilogue;
    EXPECT_EQ(GemmSet().prepare(&summed, 1).failed(), !isLegal) << epilogue;
  }
}

TEST(Gemm, anAddendBesidesAccumulationIsRefused) {
  ColoGemm g = dense(COLO_F32, 4, 4, 4);
  g.epilogue = COLO_EPILOGUE_ADDEND;
  g.beta = 1;
  GemmSet set;
  EXPECT_TRUE(set.prepare(&g, 1).failed());
}

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
  set.run(0, {operands.a.data(), operands.b.data(), operands.c.data()});
  setRankThreads(1);
  return operands.c;
}

TEST(Gemm, aTeamThatSharesABatchGivesTheSameBits) {
  ColoGemm g = batched(dense(COLO_F32, 32, 32, 32), 20, 9);
  EXPECT_EQ(resultByThreads<float>(g, 1), resultByThreads<float>(g, 4));
  g.dtype = g.resultDtype = COLO_F64;
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
