//===- KernelTest.cpp - compiled kernels against the interpreter -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each function runs in f64 and f32, on contiguous and padded memory, as a whole
// and row by row (which must give the same bits), and added to what the
// destinations hold. `T` stands for the element type, `B`, `S`, `H` for sizes.
//
//===----------------------------------------------------------------------===//

#include "KernelRunner.h"
#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace mlir;
using namespace colo::test;

namespace {
struct KernelCase {
  const char *name;
  const char *text;
  /// Arguments: shapes, i32 where ids are meant.
  std::vector<Shape> floats;
  std::vector<Shape> ids;
  int mostId = 13;
};
} // namespace

static std::string replaced(std::string text, const std::string &from, const std::string &to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

static std::vector<Tensor> randomInputs(const KernelCase &test) {
  std::mt19937 engine(7);
  std::uniform_int_distribution<int> id(-2, test.mostId);
  std::vector<Tensor> inputs = randomTensors(test.floats, engine, 2.0);
  for (const Shape &shape : test.ids) {
    inputs.emplace_back(shape);
    for (double &x : inputs.back().data)
      x = id(engine);
  }
  return inputs;
}

static void check(const KernelCase &test, const char *elementType, double tolerance, bool gpu) {
  std::string text = replaced(test.text, "xT>", std::string("x") + elementType + ">");
  text = replaced(text, "tensor<T>", std::string("tensor<") + elementType + ">");
  std::vector<Tensor> inputs = randomInputs(test);
  Machine machine = testMachine();
  RunOptions plain;
  plain.gpu = gpu;
  KernelRunner whole(text, plain);
  std::vector<Tensor> expected = whole.interpret(inputs, machine), found = whole.run(inputs, machine);
  expectNear(found, expected, tolerance);
  for (bool padded : {false, true}) {
    RunOptions options = plain;
    options.rowByRow = true;
    options.pad = padded ? 3 : 0;
    KernelRunner rows(text, options);
    std::vector<Tensor> parts = rows.run(inputs, machine);
    expectNear(parts, expected, tolerance);
    for (size_t r = 0; !padded && r < found.size(); ++r)
      EXPECT_EQ(parts[r].data, found[r].data) << "rows split differently give other bits";
  }
  RunOptions adding = plain;
  adding.accumulate = true;
  KernelRunner accumulating(text, adding);
  expectNear(accumulating.run(inputs, machine), expected, 4 * tolerance);
}

class Kernels : public testing::TestWithParam<KernelCase> {};

TEST_P(Kernels, EqualTheInterpreterInF64) { check(GetParam(), "f64", 1e-13, /*gpu=*/false); }
TEST_P(Kernels, EqualTheInterpreterInF32) { check(GetParam(), "f32", 4e-6, /*gpu=*/false); }
TEST_P(Kernels, OfGpusEqualTheInterpreterInF64) { check(GetParam(), "f64", 1e-13, /*gpu=*/true); }
TEST_P(Kernels, OfGpusEqualTheInterpreterInF32) { check(GetParam(), "f32", 4e-6, /*gpu=*/true); }

static const KernelCase kCases[] = {
    {"Softmax",
     R"(func.func @f(%x: tensor<3x5x37xT>) -> tensor<3x5x37xT> {
  %m = colo.reduce %x {kind = 1 : i32, dims = array<i64: 2>} : tensor<3x5x37xT> -> tensor<3x5xT>
  %mb = colo.broadcast %m {dims = array<i64: 0, 1>} : tensor<3x5xT> -> tensor<3x5x37xT>
  %c = colo.sub %x, %mb : tensor<3x5x37xT>
  %e = colo.exp %c : tensor<3x5x37xT>
  %s = colo.reduce %e {kind = 0 : i32, dims = array<i64: 2>} : tensor<3x5x37xT> -> tensor<3x5xT>
  %sb = colo.broadcast %s {dims = array<i64: 0, 1>} : tensor<3x5xT> -> tensor<3x5x37xT>
  %r = colo.div %e, %sb : tensor<3x5x37xT>
  return %r : tensor<3x5x37xT>
})",
     {{3, 5, 37}},
     {}},
    {"ManySumsOfARowOfSeveralWarps",
     R"(func.func @f(%x0: tensor<3x300xT>) -> tensor<3x300xT> {
  %m0 = colo.reduce %x0 {kind = 1 : i32, dims = array<i64: 1>} : tensor<3x300xT> -> tensor<3xT>
  %mb0 = colo.broadcast %m0 {dims = array<i64: 0>} : tensor<3xT> -> tensor<3x300xT>
  %c0 = colo.sub %x0, %mb0 : tensor<3x300xT>
  %e0 = colo.exp %c0 : tensor<3x300xT>
  %s0 = colo.reduce %e0 {kind = 0 : i32, dims = array<i64: 1>} : tensor<3x300xT> -> tensor<3xT>
  %sb0 = colo.broadcast %s0 {dims = array<i64: 0>} : tensor<3xT> -> tensor<3x300xT>
  %d0 = colo.div %e0, %sb0 : tensor<3x300xT>
  %x1 = colo.add %d0, %x0 : tensor<3x300xT>
  %m1 = colo.reduce %x1 {kind = 1 : i32, dims = array<i64: 1>} : tensor<3x300xT> -> tensor<3xT>
  %mb1 = colo.broadcast %m1 {dims = array<i64: 0>} : tensor<3xT> -> tensor<3x300xT>
  %c1 = colo.sub %x1, %mb1 : tensor<3x300xT>
  %e1 = colo.exp %c1 : tensor<3x300xT>
  %s1 = colo.reduce %e1 {kind = 0 : i32, dims = array<i64: 1>} : tensor<3x300xT> -> tensor<3xT>
  %sb1 = colo.broadcast %s1 {dims = array<i64: 0>} : tensor<3xT> -> tensor<3x300xT>
  %d1 = colo.div %e1, %sb1 : tensor<3x300xT>
  %x2 = colo.add %d1, %x0 : tensor<3x300xT>
  %m2 = colo.reduce %x2 {kind = 1 : i32, dims = array<i64: 1>} : tensor<3x300xT> -> tensor<3xT>
  %mb2 = colo.broadcast %m2 {dims = array<i64: 0>} : tensor<3xT> -> tensor<3x300xT>
  %c2 = colo.sub %x2, %mb2 : tensor<3x300xT>
  %e2 = colo.exp %c2 : tensor<3x300xT>
  %s2 = colo.reduce %e2 {kind = 0 : i32, dims = array<i64: 1>} : tensor<3x300xT> -> tensor<3xT>
  %sb2 = colo.broadcast %s2 {dims = array<i64: 0>} : tensor<3xT> -> tensor<3x300xT>
  %d2 = colo.div %e2, %sb2 : tensor<3x300xT>
  %x3 = colo.add %d2, %x0 : tensor<3x300xT>
  %m3 = colo.reduce %x3 {kind = 1 : i32, dims = array<i64: 1>} : tensor<3x300xT> -> tensor<3xT>
  %mb3 = colo.broadcast %m3 {dims = array<i64: 0>} : tensor<3xT> -> tensor<3x300xT>
  %c3 = colo.sub %x3, %mb3 : tensor<3x300xT>
  %e3 = colo.exp %c3 : tensor<3x300xT>
  %s3 = colo.reduce %e3 {kind = 0 : i32, dims = array<i64: 1>} : tensor<3x300xT> -> tensor<3xT>
  %sb3 = colo.broadcast %s3 {dims = array<i64: 0>} : tensor<3xT> -> tensor<3x300xT>
  %d3 = colo.div %e3, %sb3 : tensor<3x300xT>
  %x4 = colo.add %d3, %x0 : tensor<3x300xT>
  return %x4 : tensor<3x300xT>
})",
     {{3, 300}},
     {}},
    {"GeluWithBiasAndItsGradients",
     R"(func.func @f(%x: tensor<3x5x70xT>, %b: tensor<70xT>, %dy: tensor<3x5x70xT>) -> (tensor<3x5x70xT>, tensor<3x5x70xT>) {
  %bb = colo.broadcast %b {dims = array<i64: 2>} : tensor<70xT> -> tensor<3x5x70xT>
  %h = colo.add %x, %bb : tensor<3x5x70xT>
  %g = colo.gelu %h {tanh} : tensor<3x5x70xT>
  %dz = colo.gelu_grad %h, %dy {tanh} : tensor<3x5x70xT>
  %db = colo.reduce %dz {kind = 0 : i32, dims = array<i64: 0, 1>} : tensor<3x5x70xT> -> tensor<70xT>
  colo.grad %db, %b : tensor<70xT>, tensor<70xT>
  return %g, %dz : tensor<3x5x70xT>, tensor<3x5x70xT>
})",
     {{3, 5, 70}, {70}, {3, 5, 70}},
     {}},
    {"ResidualDropoutAndStatistics",
     R"(func.func @f(%x: tensor<2x3x33xT>, %y: tensor<2x3x33xT>) -> (tensor<2x3x33xT>, tensor<2x3x33xT>, tensor<2x3xT>) {
  %d = colo.dropout %y {rate = 2.5e-1 : f64, id = 3 : i64, positions = [{global = 2, padded = 2, axes = []}, {global = 6, padded = 6, axes = ["tp"]}, {global = 33, padded = 33, axes = []}]} : tensor<2x3x33xT>
  %z = colo.add %x, %d : tensor<2x3x33xT>
  %s = colo.reduce %z {kind = 0 : i32, dims = array<i64: 2>} : tensor<2x3x33xT> -> tensor<2x3xT>
  %n = colo.constant 0.030303030303030304 : tensor<2x3xT>
  %m = colo.mul %s, %n : tensor<2x3xT>
  %mb = colo.broadcast %m {dims = array<i64: 0, 1>} : tensor<2x3xT> -> tensor<2x3x33xT>
  %c = colo.sub %z, %mb : tensor<2x3x33xT>
  %q = colo.mul %c, %c : tensor<2x3x33xT>
  %v = colo.reduce %q {kind = 0 : i32, dims = array<i64: 2>} : tensor<2x3x33xT> -> tensor<2x3xT>
  %r = colo.rsqrt %v : tensor<2x3xT>
  %rb = colo.broadcast %r {dims = array<i64: 0, 1>} : tensor<2x3xT> -> tensor<2x3x33xT>
  %o = colo.mul %c, %rb : tensor<2x3x33xT>
  return %z, %o, %r : tensor<2x3x33xT>, tensor<2x3x33xT>, tensor<2x3xT>
})",
     {{2, 3, 33}, {2, 3, 33}},
     {}},
    {"EmbeddingAndItsGradient",
     R"(func.func @f(%t: tensor<6x9xT>, %d: tensor<2x7x9xT>, %ids: tensor<2x7xi32>) -> tensor<2x7x9xT> {
  %e = colo.embedding %t, %ids {positions = [{global = 11, padded = 12, axes = ["tp"]}, {global = 9, padded = 9, axes = []}]} : tensor<6x9xT>, tensor<2x7xi32> -> tensor<2x7x9xT>
  %g = colo.embedding_grad %d, %ids {positions = [{global = 11, padded = 12, axes = ["tp"]}, {global = 9, padded = 9, axes = []}]} : tensor<2x7x9xT>, tensor<2x7xi32> -> tensor<6x9xT>
  colo.grad %g, %t : tensor<6x9xT>, tensor<6x9xT>
  return %e : tensor<2x7x9xT>
})",
     {{6, 9}, {2, 7, 9}},
     {{2, 7}}},
    {"EmbeddingGradientOfALongTable",
     R"(func.func @f(%d: tensor<5x60x3xT>, %t: tensor<2051x3xT>, %ids: tensor<5x60xi32>) {
  %g = colo.embedding_grad %d, %ids {positions = [{global = 2051, padded = 2051, axes = []}, {global = 3, padded = 3, axes = []}]} : tensor<5x60x3xT>, tensor<5x60xi32> -> tensor<2051x3xT>
  colo.grad %g, %t : tensor<2051x3xT>, tensor<2051x3xT>
  return
})",
     {{5, 60, 3}, {2051, 3}},
     {{5, 60}},
     2060},
    {"PartOfTwoBlocks",
     R"(dist.mesh @mesh <["tp"=2]>
func.func @f(%x: tensor<2x6x5xT>) -> (tensor<2x6x5xT>, tensor<2x6x5xT>) {
  %d = colo.dropout %x {rate = 5.0e-1 : f64, id = 3 : i64, positions = [{global = 2, padded = 2, axes = []}, {global = 12, padded = 12, axes = ["tp"], blocks = array<i64: 0, 3, 1, 2>}, {global = 5, padded = 5, axes = []}]} : tensor<2x6x5xT>
  %i = colo.iota {dim = 1 : i64, positions = [{}, {global = 12, padded = 12, axes = ["tp"], blocks = array<i64: 0, 3, 2, 1>}, {}]} : tensor<2x6x5xT>
  %y = colo.mul %x, %i : tensor<2x6x5xT>
  return %d, %y : tensor<2x6x5xT>, tensor<2x6x5xT>
})",
     {{2, 6, 5}},
     {}},
    {"SlicesAndTheirAdjoints",
     R"(func.func @f(%x: tensor<2x3x4x5xT>, %b: tensor<3x4x5xT>) -> (tensor<2x4x5xT>, tensor<2x5x4xT>, tensor<3x4x5xT>) {
  %bb = colo.broadcast %b {dims = array<i64: 1, 2, 3>} : tensor<3x4x5xT> -> tensor<2x3x4x5xT>
  %y = colo.add %x, %bb : tensor<2x3x4x5xT>
  %q = colo.slice %y {offsets = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1, 1, 1>} : tensor<2x3x4x5xT> -> tensor<2x1x4x5xT>
  %k = colo.slice %y {offsets = array<i64: 0, 1, 0, 0>, strides = array<i64: 1, 1, 1, 1>} : tensor<2x3x4x5xT> -> tensor<2x1x4x5xT>
  %qr = colo.reshape %q : tensor<2x1x4x5xT> -> tensor<2x4x5xT>
  %kr = colo.reshape %k : tensor<2x1x4x5xT> -> tensor<2x4x5xT>
  %kt = colo.transpose %kr {permutation = array<i64: 0, 2, 1>} : tensor<2x4x5xT> -> tensor<2x5x4xT>
  %p = colo.pad %q {offsets = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1, 1, 1>} : tensor<2x1x4x5xT> -> tensor<2x3x4x5xT>
  %r = colo.pad %k {offsets = array<i64: 0, 2, 0, 0>, strides = array<i64: 1, 1, 1, 1>} : tensor<2x1x4x5xT> -> tensor<2x3x4x5xT>
  %s = colo.add %p, %r : tensor<2x3x4x5xT>
  %db = colo.reduce %s {kind = 0 : i32, dims = array<i64: 0>} : tensor<2x3x4x5xT> -> tensor<3x4x5xT>
  return %qr, %kt, %db : tensor<2x4x5xT>, tensor<2x5x4xT>, tensor<3x4x5xT>
})",
     {{2, 3, 4, 5}, {3, 4, 5}},
     {}},
    {"SlicesOfUnequalTensorsInOneNest",
     R"(func.func @f(%x: tensor<3x8xT>, %y: tensor<6x5x8xT>) -> (tensor<3x4xT>, tensor<4x3xT>, tensor<3x4xT>) {
  %a = colo.slice %x {offsets = array<i64: 0, 0>, strides = array<i64: 1, 1>} : tensor<3x8xT> -> tensor<3x4xT>
  %b = colo.slice %x {offsets = array<i64: 0, 4>, strides = array<i64: 1, 1>} : tensor<3x8xT> -> tensor<3x4xT>
  %p = colo.mul %a, %b : tensor<3x4xT>
  %e = colo.exp %y : tensor<6x5x8xT>
  %m = colo.slice %e {offsets = array<i64: 0, 0, 0>, strides = array<i64: 1, 1, 1>} : tensor<6x5x8xT> -> tensor<3x1x4xT>
  %n = colo.reshape %m : tensor<3x1x4xT> -> tensor<3x4xT>
  %s = colo.reduce %e {kind = 0 : i32, dims = array<i64: 2>} : tensor<6x5x8xT> -> tensor<6x5xT>
  %c = colo.slice %s {offsets = array<i64: 0, 0>, strides = array<i64: 1, 1>} : tensor<6x5xT> -> tensor<3x4xT>
  %d = colo.mul %n, %c : tensor<3x4xT>
  %q = colo.add %d, %a : tensor<3x4xT>
  %t = colo.transpose %q {permutation = array<i64: 1, 0>} : tensor<3x4xT> -> tensor<4x3xT>
  return %p, %t, %d : tensor<3x4xT>, tensor<4x3xT>, tensor<3x4xT>
})",
     {{3, 8}, {6, 5, 8}},
     {}},
    {"LeadingPartOfWhatARowKeeps",
     R"(func.func @f(%x: tensor<5x64xT>) -> tensor<5x32xT> {
  %e = colo.exp %x : tensor<5x64xT>
  %s = colo.reduce %e {kind = 0 : i32, dims = array<i64: 1>} : tensor<5x64xT> -> tensor<5xT>
  %b = colo.broadcast %s {dims = array<i64: 0>} : tensor<5xT> -> tensor<5x64xT>
  %p = colo.div %e, %b : tensor<5x64xT>
  %a = colo.slice %p {offsets = array<i64: 0, 0>, strides = array<i64: 1, 1>} : tensor<5x64xT> -> tensor<5x32xT>
  %c = colo.slice %p {offsets = array<i64: 0, 32>, strides = array<i64: 1, 1>} : tensor<5x64xT> -> tensor<5x32xT>
  %r = colo.mul %a, %c : tensor<5x32xT>
  return %r : tensor<5x32xT>
})",
     {{5, 64}},
     {}},
    {"LeadingRowsOfALongerTensor",
     R"(func.func @f(%x: tensor<2x6x20xT>) -> (tensor<2x3x20xT>, tensor<2xT>) {
  %e = colo.exp %x : tensor<2x6x20xT>
  %a = colo.slice %e {offsets = array<i64: 0, 0, 0>, strides = array<i64: 1, 1, 1>} : tensor<2x6x20xT> -> tensor<2x3x20xT>
  %s = colo.reduce %a {kind = 0 : i32, dims = array<i64: 2>} : tensor<2x3x20xT> -> tensor<2x3xT>
  %b = colo.broadcast %s {dims = array<i64: 0, 1>} : tensor<2x3xT> -> tensor<2x3x20xT>
  %r = colo.div %a, %b : tensor<2x3x20xT>
  %t = colo.reduce %s {kind = 0 : i32, dims = array<i64: 1>} : tensor<2x3xT> -> tensor<2xT>
  return %r, %t : tensor<2x3x20xT>, tensor<2xT>
})",
     {{2, 6, 20}},
     {}},
    {"ConcatenationAndReshape",
     R"(func.func @f(%x: tensor<2x1x6xT>, %y: tensor<2x4x6xT>) -> (tensor<2x5x6xT>, tensor<10x6xT>, tensor<2x30xT>) {
  %e = colo.exp %y : tensor<2x4x6xT>
  %c = colo.concat %x, %e {dim = 1 : i64} : (tensor<2x1x6xT>, tensor<2x4x6xT>) -> tensor<2x5x6xT>
  %r = colo.reshape %c : tensor<2x5x6xT> -> tensor<10x6xT>
  %n = colo.neg %r : tensor<10x6xT>
  %f = colo.reshape %n : tensor<10x6xT> -> tensor<2x30xT>
  %t = colo.tanh %f : tensor<2x30xT>
  return %c, %n, %t : tensor<2x5x6xT>, tensor<10x6xT>, tensor<2x30xT>
})",
     {{2, 1, 6}, {2, 4, 6}},
     {}},
    {"MiddleReductionAndScalarLoss",
     R"(func.func @f(%x: tensor<3x7x40xT>, %w: tensor<3xT>) -> (tensor<3x40xT>, tensor<T>, tensor<7xT>) {
  %p = colo.reduce %x {kind = 0 : i32, dims = array<i64: 1>} : tensor<3x7x40xT> -> tensor<3x40xT>
  %m = colo.reduce %x {kind = 1 : i32, dims = array<i64: 0, 2>} : tensor<3x7x40xT> -> tensor<7xT>
  %r = colo.reduce %p {kind = 0 : i32, dims = array<i64: 1>} : tensor<3x40xT> -> tensor<3xT>
  %v = colo.mul %r, %w : tensor<3xT>
  %s = colo.reduce %v {kind = 0 : i32, dims = array<i64: 0>} : tensor<3xT> -> tensor<T>
  %n = colo.inverse_count {term = 0 : i64} : tensor<T>
  %l = colo.mul %s, %n : tensor<T>
  return %p, %l, %m : tensor<3x40xT>, tensor<T>, tensor<7xT>
})",
     {{3, 7, 40}, {3}},
     {}},
    {"CausalMaskAndTargets",
     R"(func.func @f(%x: tensor<2x9x9xT>, %ids: tensor<2x9xi32>) -> (tensor<2x9x9xT>, tensor<2x9xT>) {
  %i = colo.iota {dim = 1 : i64} : tensor<2x9x9xi32>
  %j = colo.iota {dim = 2 : i64} : tensor<2x9x9xi32>
  %c = colo.compare le, %j, %i : tensor<2x9x9xi32>, tensor<2x9x9xi32> -> tensor<2x9x9xi1>
  %z = colo.constant 0.0 : tensor<2x9x9xT>
  %y = colo.select %c, %x, %z : tensor<2x9x9xi1>, tensor<2x9x9xT>, tensor<2x9x9xT> -> tensor<2x9x9xT>
  %t = colo.broadcast %ids {dims = array<i64: 0, 1>} : tensor<2x9xi32> -> tensor<2x9x9xi32>
  %h = colo.compare eq, %j, %t : tensor<2x9x9xi32>, tensor<2x9x9xi32> -> tensor<2x9x9xi1>
  %p = colo.select %h, %y, %z : tensor<2x9x9xi1>, tensor<2x9x9xT>, tensor<2x9x9xT> -> tensor<2x9x9xT>
  %s = colo.reduce %p {kind = 0 : i32, dims = array<i64: 2>} : tensor<2x9x9xT> -> tensor<2x9xT>
  return %y, %s : tensor<2x9x9xT>, tensor<2x9xT>
})",
     {{2, 9, 9}},
     {{2, 9}}},
    {"MasksOfInputsAndRandomChoices",
     R"(func.func @f(%x: tensor<2x9x33xT>, %ids: tensor<2x33xi32>) -> (tensor<2x9x33xT>, tensor<2x33xi32>, tensor<2x33xi1>) {
  %z = colo.constant 3.0 : tensor<2x33xi32>
  %m = colo.compare ge, %ids, %z : tensor<2x33xi32>, tensor<2x33xi32> -> tensor<2x33xi1>
  %r = colo.random {id = 2 : i64, positions = [{global = 2, padded = 2, axes = []}, {global = 66, padded = 66, axes = ["tp"]}]} : tensor<2x33xT>
  %h = colo.constant 0.25 : tensor<2x33xT>
  %l = colo.compare lt, %r, %h : tensor<2x33xT>, tensor<2x33xT> -> tensor<2x33xi1>
  %both = colo.and %m, %l : tensor<2x33xi1>
  %n = colo.constant -100.0 : tensor<2x33xi32>
  %t = colo.select %both, %ids, %n : tensor<2x33xi1>, tensor<2x33xi32>, tensor<2x33xi32> -> tensor<2x33xi32>
  %mb = colo.broadcast %m {dims = array<i64: 0, 2>} : tensor<2x33xi1> -> tensor<2x9x33xi1>
  %rb = colo.broadcast %r {dims = array<i64: 0, 2>} : tensor<2x33xT> -> tensor<2x9x33xT>
  %y = colo.select %mb, %x, %rb : tensor<2x9x33xi1>, tensor<2x9x33xT>, tensor<2x9x33xT> -> tensor<2x9x33xT>
  return %y, %t, %both : tensor<2x9x33xT>, tensor<2x33xi32>, tensor<2x33xi1>
})",
     {{2, 9, 33}},
     {{2, 33}}},
    {"RotaryPositions",
     R"(func.func @f(%x: tensor<2x6x3x8xT>) -> (tensor<2x6x3x8xT>) {
  %i = colo.iota {dim = 0 : i64} : tensor<4xi32>
  %if = colo.convert %i : tensor<4xi32> -> tensor<4xT>
  %k = colo.constant -2.3 : tensor<4xT>
  %e = colo.mul %if, %k : tensor<4xT>
  %f = colo.exp %e : tensor<4xT>
  %fb = colo.broadcast %f {dims = array<i64: 1>} : tensor<4xT> -> tensor<6x4xT>
  %p = colo.iota {dim = 0 : i64, positions = [{global = 12, padded = 12, axes = ["tp"]}]} : tensor<6xi32>
  %pf = colo.convert %p : tensor<6xi32> -> tensor<6xT>
  %pb = colo.broadcast %pf {dims = array<i64: 0>} : tensor<6xT> -> tensor<6x4xT>
  %a = colo.mul %pb, %fb : tensor<6x4xT>
  %c0 = colo.cos %a : tensor<6x4xT>
  %s0 = colo.sin %a : tensor<6x4xT>
  %c = colo.broadcast %c0 {dims = array<i64: 1, 4>} : tensor<6x4xT> -> tensor<2x6x3x1x4xT>
  %s = colo.broadcast %s0 {dims = array<i64: 1, 4>} : tensor<6x4xT> -> tensor<2x6x3x1x4xT>
  %pair = colo.reshape %x : tensor<2x6x3x8xT> -> tensor<2x6x3x2x4xT>
  %u = colo.slice %pair {offsets = array<i64: 0, 0, 0, 0, 0>, strides = array<i64: 1, 1, 1, 1, 1>} : tensor<2x6x3x2x4xT> -> tensor<2x6x3x1x4xT>
  %v = colo.slice %pair {offsets = array<i64: 0, 0, 0, 1, 0>, strides = array<i64: 1, 1, 1, 1, 1>} : tensor<2x6x3x2x4xT> -> tensor<2x6x3x1x4xT>
  %uc = colo.mul %u, %c : tensor<2x6x3x1x4xT>
  %vs = colo.mul %v, %s : tensor<2x6x3x1x4xT>
  %vc = colo.mul %v, %c : tensor<2x6x3x1x4xT>
  %us = colo.mul %u, %s : tensor<2x6x3x1x4xT>
  %first = colo.sub %uc, %vs : tensor<2x6x3x1x4xT>
  %second = colo.add %vc, %us : tensor<2x6x3x1x4xT>
  %both = colo.concat %first, %second {dim = 3 : i64} : (tensor<2x6x3x1x4xT>, tensor<2x6x3x1x4xT>) -> tensor<2x6x3x2x4xT>
  %y = colo.reshape %both : tensor<2x6x3x2x4xT> -> tensor<2x6x3x8xT>
  return %y : tensor<2x6x3x8xT>
})",
     {{2, 6, 3, 8}},
     {}},
    {"RandomChoicesOfRowsThatStartAnywhere",
     R"(dist.mesh @mesh <["tp"=2]>
func.func @f(%x: tensor<2x3x20xT>) -> tensor<2x3x20xT> {
  %d = colo.dropout %x {rate = 5.0e-1 : f64, id = 3 : i64, positions = [{global = 2, padded = 2, axes = []}, {global = 3, padded = 3, axes = []}, {global = 39, padded = 40, axes = ["tp"]}]} : tensor<2x3x20xT>
  return %d : tensor<2x3x20xT>
}
)",
     {{2, 3, 20}},
     {}},
    {"PartsOfWhatALongRowKeeps",
     R"(func.func @f(%x: tensor<5x1024xT>) -> tensor<5x512xT> {
  %e = colo.exp %x : tensor<5x1024xT>
  %s = colo.reduce %e {kind = 0 : i32, dims = array<i64: 1>} : tensor<5x1024xT> -> tensor<5xT>
  %b = colo.broadcast %s {dims = array<i64: 0>} : tensor<5xT> -> tensor<5x1024xT>
  %p = colo.div %e, %b : tensor<5x1024xT>
  %a = colo.slice %p {offsets = array<i64: 0, 0>, strides = array<i64: 1, 1>} : tensor<5x1024xT> -> tensor<5x512xT>
  %c = colo.slice %p {offsets = array<i64: 0, 512>, strides = array<i64: 1, 1>} : tensor<5x1024xT> -> tensor<5x512xT>
  %r = colo.mul %a, %c : tensor<5x512xT>
  return %r : tensor<5x512xT>
})",
     {{5, 1024}},
     {}},
    {"LongRowsAndSizesOfOne",
     R"(func.func @f(%x: tensor<1x1x9001xT>, %y: tensor<1x1xT>) -> (tensor<1x1x9001xT>, tensor<1x1xT>, tensor<9001xT>) {
  %s = colo.silu %x : tensor<1x1x9001xT>
  %r = colo.reduce %s {kind = 0 : i32, dims = array<i64: 2>} : tensor<1x1x9001xT> -> tensor<1x1xT>
  %t = colo.add %r, %y : tensor<1x1xT>
  %e = colo.erf %x : tensor<1x1x9001xT>
  %c = colo.reduce %e {kind = 0 : i32, dims = array<i64: 0, 1>} : tensor<1x1x9001xT> -> tensor<9001xT>
  return %e, %t, %c : tensor<1x1x9001xT>, tensor<1x1xT>, tensor<9001xT>
})",
     {{1, 1, 9001}, {1, 1}},
     {}},
};

INSTANTIATE_TEST_SUITE_P(All, Kernels, testing::ValuesIn(kCases),
                         [](const auto &info) { return std::string(info.param.name); });
