//===- NumericsTest.cpp - decompositions in single precision -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The interpreter rounds f32 values after every op, so a decomposition that
// cancels or overflows shows here. Expected values are the definitions' in f64.
//
//===----------------------------------------------------------------------===//

#include "Program.h"
#include <gtest/gtest.h>

using namespace colo::test;

/// The same text with all f64 tensors as f32.
static std::string single(std::string text) {
  for (size_t at; (at = text.find("xf64>")) != std::string::npos;)
    text.replace(at, 5, "xf32>");
  for (size_t at; (at = text.find("tensor<f64>")) != std::string::npos;)
    text.replace(at, 11, "tensor<f32>");
  return text;
}

/// Gradients and loss of the decomposed f32 program against those of the high-level f64 program, relative to the
/// largest.
static void compareSingle(const OpCase &test, double low, double high, double tolerance) {
  Program exact(moduleOf(test)), rounded(single(moduleOf(test)));
  exact.runPasses("colo-autodiff");
  rounded.runPasses("colo-autodiff,colo-decompose,colo-decompose-attention");
  Machine start = exact.machine(low, high);
  for (auto &[name, parameter] : start.parameters)
    for (double &x : parameter.data)
      x = static_cast<float>(x);
  std::vector<Tensor> inputs = inputsOf(test);
  Machine expected = exact.run(start, inputs), found = rounded.run(start, inputs);
  double loss = expected.metrics.at("loss");
  EXPECT_NEAR(found.metrics.at("loss"), loss, tolerance * std::max(1.0, std::fabs(loss)));
  for (const auto &[name, gradient] : expected.gradients) {
    double scale = 0.01; // where a softmax saturates, gradients are rounding errors of numbers near 1
    for (double x : gradient.data)
      scale = std::max(scale, std::fabs(x));
    for (int64_t i = 0; i < gradient.size(); ++i)
      EXPECT_NEAR(found.gradients.at(name)[i], gradient[i], tolerance * scale) << name << ", element " << i;
  }
}

TEST(Single, LayerNormOfInputsWithALargeMean) {
  OpCase test = {"layer_norm",
                 {{"x", "2x64xf64"}},
                 "%out, %m, %r = colo.layer_norm %x {eps = 1.0e-5 : f64} : tensor<2x64xf64> -> tensor<2x64xf64>, "
                 "tensor<2xf64>, tensor<2xf64>",
                 "2x64xf64"};
  compareSingle(test, 999.0, 1001.0, 2e-4);
}

TEST(Single, CrossEntropyOfLogitsOfOneHundred) {
  for (std::string smoothing : {"0.0", "0.1"}) {
    OpCase test = {"cross_entropy",
                   {{"x", "2x3x9xf64"}},
                   "%out, %w, %lse = colo.cross_entropy %x, %ids {classes = 7 : i64, ignore_index = -100 : i64, "
                   "label_smoothing = " +
                       smoothing +
                       " : f64} : tensor<2x3x9xf64>, tensor<2x3xi32> -> tensor<2x3xf64>, tensor<2x3xf64>, "
                       "tensor<2x3xf64>",
                   "2x3xf64"};
    compareSingle(test, -100.0, 100.0, 1e-5);
    compareSingle(test, 900.0, 1100.0, 1e-4);
  }
}

TEST(Single, SoftmaxOfLargeInputs) {
  for (std::string kind : {"", " {logarithm}"}) {
    OpCase test = {"softmax", {{"x", "3x9xf64"}}, "%out = colo.softmax %x" + kind + " : tensor<3x9xf64>", "3x9xf64"};
    compareSingle(test, -100.0, 100.0, 1e-5);
  }
}

TEST(Single, AttentionWithLargeScores) {
  OpCase test = {"attention",
                 {{"q", "2x4x2x5xf64"}, {"k", "2x4x2x5xf64"}, {"v", "2x4x2x5xf64"}},
                 "%out, %lse = colo.attention %q, %k, %v {scale = 1.0 : f64, causal} : tensor<2x4x2x5xf64>, "
                 "tensor<2x4x2x5xf64>, tensor<2x4x2x5xf64> -> tensor<2x4x2x5xf64>, tensor<2x2x4xf64>",
                 "2x4x2x5xf64"};
  compareSingle(test, -6.0, 6.0, 1e-4);
}

TEST(Ignored, TargetsMakeNoNaNOfInfiniteLogits) {
  OpCase test = {"ignored",
                 {{"x", "2x3x5xf64"}},
                 "%out, %w, %lse = colo.cross_entropy %x, %ids {classes = 5 : i64, ignore_index = -100 : i64, "
                 "label_smoothing = 0.1 : f64} : tensor<2x3x5xf64>, tensor<2x3xi32> -> tensor<2x3xf64>, "
                 "tensor<2x3xf64>, tensor<2x3xf64>",
                 "2x3xf64"};
  Program program(moduleOf(test));
  program.runPasses("colo-autodiff,colo-decompose");
  Machine start = program.machine();
  // Row 2 is the ignored one.
  for (int64_t i = 0; i < 5; ++i)
    start.parameters["x"][2 * 5 + i] = i % 2 ? INFINITY : 3.0;
  Machine result = program.run(start, inputsOf(test));
  EXPECT_TRUE(std::isfinite(result.metrics.at("loss")));
  for (int64_t i = 0; i < 5; ++i)
    EXPECT_EQ(result.gradients.at("x")[2 * 5 + i], 0.0);
}
