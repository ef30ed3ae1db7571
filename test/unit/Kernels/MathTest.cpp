//===- MathTest.cpp - accuracy of the functions in kernels -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Polynomials in f32, compiled with the kernels' fast-math flags, against the C
// library in f64, over the range where the result is a normal number, and at
// the ends: large numbers, infinities, NaN.
//
//===----------------------------------------------------------------------===//

#include "KernelRunner.h"
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

using namespace colo::test;

namespace {
struct Function {
  const char *op;
  double (*exact)(double);
  double low, high;
  double ulps;
};
} // namespace

static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

static std::vector<Tensor> applyOp(const char *op, const std::vector<double> &xs) {
  std::string type = "tensor<" + std::to_string(xs.size()) + "xf32>";
  KernelRunner runner("func.func @f(%x: " + type + ") -> " + type + " { %r = colo." + op + " %x : " + type +
                      "  return %r : " + type + " }");
  Tensor input(Shape{static_cast<int64_t>(xs.size())});
  input.data = xs;
  return runner.run(input, Machine());
}

class Accuracy : public testing::TestWithParam<Function> {};

TEST_P(Accuracy, OverTheRange) {
  Function function = GetParam();
  std::vector<double> xs(20001);
  for (size_t i = 0; i < xs.size(); ++i)
    xs[i] = static_cast<float>(function.low + (function.high - function.low) * i / (xs.size() - 1));
  Tensor found = applyOp(function.op, xs).at(0);
  double worst = 0;
  for (size_t i = 0; i < xs.size(); ++i) {
    double exact = function.exact(xs[i]);
    double ulp = std::ldexp(1.0, std::max(-126, std::ilogb(exact)) - 23);
    worst = std::max(worst, std::fabs(found[i] - exact) / ulp);
  }
  EXPECT_LE(worst, function.ulps);
}

INSTANTIATE_TEST_SUITE_P(All, Accuracy,
                         testing::Values(Function{"exp", std::exp, -87, 88, 1.5},
                                         Function{"log", std::log, 1e-3, 1000, 2},
                                         Function{"tanh", std::tanh, -10, 10, 6}, Function{"erf", std::erf, -5, 5, 6},
                                         Function{"sigmoid", sigmoid, -80, 80, 4}),
                         [](const auto &info) { return std::string(info.param.op); });

/// In absolute numbers. Angles of rotary positions are as large as the sequence is long; rounding one of 8192 to f32
/// moves it by up to 2^-12.
TEST(Angles, CosineAndSineStayClose) {
  for (auto [largest, bound] : {std::pair(4.0, 4e-7), std::pair(8192.0, 2.5e-4)}) {
    std::vector<double> xs(20001);
    for (size_t i = 0; i < xs.size(); ++i)
      xs[i] = static_cast<float>(largest * (2.0 * i / (xs.size() - 1) - 1));
    Tensor cosines = applyOp("cos", xs).at(0), sines = applyOp("sin", xs).at(0);
    for (size_t i = 0; i < xs.size(); ++i) {
      EXPECT_NEAR(cosines[i], std::cos(xs[i]), bound) << xs[i];
      EXPECT_NEAR(sines[i], std::sin(xs[i]), bound) << xs[i];
    }
  }
}

TEST(AtTheEnds, LimitsAndNaN) {
  double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> xs = {-inf, -1000, -100, 100, 1000, inf, nan, 0};
  // Two more of each, so that the vectorised loop is taken.
  std::vector<double> many;
  for (int i = 0; i < 16; ++i)
    many.insert(many.end(), xs.begin(), xs.end());
  for (Function function : {Function{"exp", std::exp, 0, 0, 0}, Function{"tanh", std::tanh, 0, 0, 0},
                            Function{"erf", std::erf, 0, 0, 0}, Function{"sigmoid", sigmoid, 0, 0, 0}}) {
    Tensor found = applyOp(function.op, many).at(0);
    for (size_t i = 0; i < many.size(); ++i) {
      double exact = static_cast<float>(function.exact(many[i]));
      if (std::isnan(exact))
        EXPECT_TRUE(std::isnan(found[i])) << function.op;
      else if (std::isinf(exact))
        EXPECT_EQ(found[i], exact) << function.op << " of " << many[i];
      else
        EXPECT_NEAR(found[i], exact, 1e-6) << function.op << " of " << many[i];
    }
  }
}
