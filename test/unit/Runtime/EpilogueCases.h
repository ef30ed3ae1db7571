//===- EpilogueCases.h - products that add before they write -----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Products with a bias, an addend and an activation in every type, for what executes
// products on a device; operands, and the result of plain loops in f64.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TEST_UNIT_RUNTIME_EPILOGUECASES_H
#define COLO_TEST_UNIT_RUNTIME_EPILOGUECASES_H

#include "../../../lib/Runtime/Half.h"
#include "ProductCases.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

namespace colo::runtime::testing {

/// The numbers as T; `wide` becomes what T holds of them.
template <typename T> std::vector<T> narrowed(std::vector<double> &wide) {
  std::vector<T> narrow;
  for (double &x : wide) {
    if constexpr (sizeof(T) == 8)
      narrow.push_back(x);
    else
      x = static_cast<float>(narrow.emplace_back(T(static_cast<float>(x))));
  }
  return narrow;
}

template <typename T> double wideOf(T value) {
  if constexpr (sizeof(T) == 2)
    return static_cast<float>(value);
  else
    return value;
}

/// Its tanh form.
inline double exactGelu(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

/// From its values.
inline double geluSlope(double x) { return (exactGelu(x + 1e-5) - exactGelu(x - 1e-5)) / 2e-5; }

/// Operands of type T, a result of type R.
template <typename T, typename R> struct EpilogueCase {
  std::vector<T> a, b;
  std::vector<R> c, bias, addend, sums, aux;
  std::vector<double> expected, expectedSums, expectedAux;

  explicit EpilogueCase(const ColoGemm &g) {
    constexpr size_t room = 24000;
    Operands<double> wide(7, room), more(8, room), most(9, room);
    a = narrowed<T>(wide.a), b = narrowed<T>(wide.b), c = narrowed<R>(wide.c);
    bias = narrowed<R>(more.a), addend = narrowed<R>(more.b);
    for (double &x : most.a)
      x *= 4;
    aux = narrowed<R>(most.a);
    bool adds = g.epilogue & COLO_EPILOGUE_ADDEND;
    ColoGemm plain = g;
    plain.beta = adds ? 1 : g.beta;
    std::vector<double> added = adds ? more.b : wide.c;
    naive(plain, wide.a.data(), wide.b.data(), added);
    bool ofA = g.epilogue & COLO_EPILOGUE_SUM_A, ofB = g.epilogue & COLO_EPILOGUE_SUM_B;
    expectedSums.assign(ofA ? g.m : ofB ? g.n : 0, 0);
    for (size_t i = 0; i < expectedSums.size(); ++i)
      for (int64_t k = 0; k < g.k; ++k)
        expectedSums[i] += ofA ? wide.a[i * g.am + k * g.ak] : wide.b[k * g.bk + i * g.bn];
    sums.resize(expectedSums.size());
    // Of what lies between rows nothing changes.
    expected = wide.c;
    expectedAux = most.a;
    forElements(g, [&](int64_t at, int64_t column) {
      expected[at] = added[at] + (g.epilogue & COLO_EPILOGUE_BIAS ? more.a[column] : 0);
      if (g.epilogue & COLO_EPILOGUE_GELU_GRAD)
        expected[at] *= geluSlope(most.a[at]);
      if (g.epilogue & COLO_EPILOGUE_ARGUMENT)
        expectedAux[at] = expected[at];
      if (g.epilogue & COLO_EPILOGUE_GELU)
        expected[at] = exactGelu(expected[at]);
      if (g.epilogue & COLO_EPILOGUE_RELU)
        expected[at] = std::max(expected[at], 0.0);
    });
  }

  /// Rounded at most once.
  void expectResult(const ColoGemm &g, const char *what) const {
    double room = (sizeof(R) == 8 ? 1e-13 : 1e-5) * std::sqrt(static_cast<double>(g.k));
    expectNear(c, expected, room, what);
    expectNear(sums, expectedSums, room, what);
    expectNear(aux, expectedAux, room, what);
  }

private:
  static void expectNear(const std::vector<R> &found, const std::vector<double> &expected, double room,
                         const char *what) {
    double unit = sizeof(R) != 2 ? 0 : std::is_same_v<R, BFloat16> ? 0x1p-8 : 0x1p-11;
    for (size_t i = 0; i < expected.size(); ++i) {
      double error = std::abs(wideOf(found[i]) - expected[i]);
      ASSERT_TRUE(error <= room + unit * std::abs(expected[i])) << what << " differs by " << error << " at " << i;
    }
  }
};

/// Each stride pattern with each epilogue in each type: check(product, its case, what).
template <typename Check> void forEpilogues(Check check) {
  auto inTypes = [&](ColoGemm g, const char *what) {
    auto as = [&](int32_t dtype, int32_t result) {
      g.dtype = dtype, g.resultDtype = result;
      return g;
    };
    check(as(COLO_F32, COLO_F32), EpilogueCase<float, float>(g), what);
    check(as(COLO_F64, COLO_F64), EpilogueCase<double, double>(g), what);
    check(as(COLO_BF16, COLO_BF16), EpilogueCase<BFloat16, BFloat16>(g), what);
    check(as(COLO_BF16, COLO_F32), EpilogueCase<BFloat16, float>(g), what);
    check(as(COLO_F16, COLO_F16), EpilogueCase<Float16, Float16>(g), what);
    check(as(COLO_F16, COLO_F32), EpilogueCase<Float16, float>(g), what);
  };
  auto with = [&](ColoGemm g, const char *what) {
    for (int32_t epilogue : std::initializer_list<int32_t>{COLO_EPILOGUE_BIAS, COLO_EPILOGUE_ADDEND,
                                                           COLO_EPILOGUE_BIAS | COLO_EPILOGUE_ADDEND}) {
      g.epilogue = epilogue;
      inTypes(g, what);
    }
    g.epilogue = COLO_EPILOGUE_BIAS;
    g.beta = 1;
    inTypes(g, what);
  };
  auto summed = [&](ColoGemm g, const char *what) {
    for (int32_t sums : std::initializer_list<int32_t>{COLO_EPILOGUE_SUM_A, COLO_EPILOGUE_SUM_B,
                                                       COLO_EPILOGUE_SUM_A | COLO_EPILOGUE_ADDEND})
      for (double beta : {0.0, 1.0}) {
        if (sums & COLO_EPILOGUE_SUM_A ? g.am != 1 : g.bn != 1)
          continue;
        g.epilogue = sums;
        g.beta = sums & COLO_EPILOGUE_ADDEND ? 0 : beta;
        inTypes(g, what);
      }
  };
  auto narrow = [&](ColoGemm g, int32_t epilogue, const char *what) {
    g.epilogue = epilogue;
    g.dtype = g.resultDtype = COLO_BF16;
    check(g, EpilogueCase<BFloat16, BFloat16>(g), what);
    g.dtype = g.resultDtype = COLO_F16;
    check(g, EpilogueCase<Float16, Float16>(g), what);
  };
  auto activated = [&](ColoGemm g, int32_t activation, auto in) {
    for (int32_t more : std::initializer_list<int32_t>{0, COLO_EPILOGUE_BIAS, COLO_EPILOGUE_ADDEND,
                                                       COLO_EPILOGUE_BIAS | COLO_EPILOGUE_ADDEND})
      in(g, activation | more);
    g.beta = 1;
    in(g, activation | COLO_EPILOGUE_BIAS);
  };
  ColoGemm wideRows = dense(COLO_BF16, 33, 64, 31), apart = batched(dense(COLO_BF16, 8, 16, 10), 2, 3);
  wideRows.cm = 80;
  apart.aBatch[0] += 7;
  for (const ColoGemm &g :
       {dense(COLO_BF16, 33, 64, 31), wideRows, batched(dense(COLO_BF16, 8, 16, 10), 2, 3), apart}) {
    narrow(g, COLO_EPILOGUE_GELU_GRAD, "gelu's gradient");
    activated(g, COLO_EPILOGUE_GELU | COLO_EPILOGUE_ARGUMENT,
              [&](const ColoGemm &g, int32_t epilogue) { narrow(g, epilogue, "gelu and its argument"); });
  }
  for (ColoGemm g :
       {dense(COLO_BF16, 33, 65, 31), dense(COLO_BF16, 1, 17, 5), batched(dense(COLO_BF16, 8, 12, 10), 2, 3)}) {
    activated(g, COLO_EPILOGUE_GELU, [&](const ColoGemm &g, int32_t epilogue) { narrow(g, epilogue, "gelu"); });
    activated(g, COLO_EPILOGUE_RELU, [&](ColoGemm g, int32_t epilogue) {
      g.epilogue = epilogue;
      inTypes(g, "relu");
    });
  }
  ColoGemm g = dense(COLO_F32, 33, 65, 31);
  summed(g, "sums of A B");
  summed(transposeA(g), "sums of At B");
  summed(transposeB(g), "sums of A Bt");
  summed(transposeA(transposeB(g)), "sums of At Bt");
  summed(transposeA(dense(COLO_F32, 1, 17, 5)), "sums of one row");
  summed(dense(COLO_F32, 1, 17, 5), "sums of one row that lies as a column");
  summed(transposeA(dense(COLO_F32, 9, 1, 8)), "sums of one column");
  summed(transposeB(dense(COLO_F32, 9, 1, 8)), "sums of one column that lies as a row");
  summed(transposeA(dense(COLO_F32, 9, 17, 1)), "sums of one term");
  with(g, "A B");
  with(transposeA(transposeB(g)), "At Bt");
  with(dense(COLO_F32, 9, 1, 8), "one column");
  with(dense(COLO_F32, 1, 17, 5), "one row");
  g.cm = 80;
  with(g, "wide rows");
  with(batched(dense(COLO_F32, 8, 12, 10), 2, 3), "batch");
  with(batched(dense(COLO_F32, 48, 72, 50), 2, 3), "batch of large ones");
  ColoGemm gaps = batched(dense(COLO_F32, 8, 12, 10), 2, 3);
  gaps.aBatch[0] += 7;
  with(gaps, "batch with gaps");
}

} // namespace colo::runtime::testing

#endif // COLO_TEST_UNIT_RUNTIME_EPILOGUECASES_H
