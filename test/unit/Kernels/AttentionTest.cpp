//===- AttentionTest.cpp - attention's kernels against the interpreter -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Output, log-sum-exps and the three gradients of attention that GPUs' kernels
// make in the emulator, on contiguous and padded memory, block by block from the
// last one on with equal bits, and added to what destinations hold.
//
//===----------------------------------------------------------------------===//

#include "KernelRunner.h"
#include "llvm/Support/FormatVariadic.h"
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace mlir;
using namespace colo::test;

namespace {
struct AttentionCase {
  const char *name;
  int64_t samples, rows, keys, heads, keyHeads, size;
  bool causal = false, mask = false;
  double dropout = 0.0;
  /// Some rows have no keys.
  bool emptyRows = false;
  /// Positions of rows and of keys; "" for all of them, in order.
  const char *rowPositions = "", *keyPositions = "";
};
} // namespace

/// In 16 bits log-sum-exps are of f32 and so is delta, which is then an input: another kernel makes it.
static std::string textOf(const AttentionCase &test, const char *element, bool isNarrow = false) {
  const char *wide = isNarrow ? "f32" : element;
  auto tensor = [&](std::initializer_list<int64_t> sizes, StringRef of) {
    std::string text = "tensor<";
    for (int64_t size : sizes)
      text += std::to_string(size) + "x";
    return text + of.str() + ">";
  };
  std::string query = tensor({test.samples, test.rows, test.heads, test.size}, element);
  std::string key = tensor({test.samples, test.keys, test.keyHeads, test.size}, element);
  std::string perRow = tensor({test.samples, test.rows, test.heads}, wide);
  std::string statistics = tensor({test.samples, test.heads, test.rows}, wide);
  std::string mask = tensor({test.samples, test.keys}, "i1");
  auto whole = [](int64_t size) { return llvm::formatv("{{global = {0}, padded = {0}, axes = []}", size).str(); };
  std::string rows = *test.rowPositions ? test.rowPositions : whole(test.rows);
  std::string keys = *test.keyPositions ? test.keyPositions : whole(test.keys);
  std::string attributes = llvm::formatv(
      "{{scale = 3.0e-1 : f64, dropout = {0:f3} : f64, id = 7 : i64, positions = [{1}, {2}, {3}, {4}]{5}}",
      test.dropout, whole(test.samples), whole(test.heads), rows, keys, test.causal ? ", causal" : "");
  const char *makeDelta = R"(  %t = colo.mul %d, %o : {0}
  %r = colo.reduce %t {{kind = 0 : i32, dims = array<i64: 3>} : {0} -> {1}
  %delta = colo.transpose %r {{permutation = array<i64: 0, 2, 1>} : {1} -> {2}
)";
  std::string delta = isNarrow ? "" : llvm::formatv(makeDelta, query, perRow, statistics).str();
  const char *form = R"(dist.mesh @mesh <["tp"=2]>
func.func @f(%q: {0}, %k: {1}, %v: {1}, %d: {0}{6}) -> ({0}, {0}, {1}, {1}{8}) {{
  %o, %lse = colo.attention %q, %k, %v{7} {5} : {0}, {1}, {1} -> {0}, {3}
{2}  %dq, %dk, %dv = colo.attention_grad %q, %k, %v, %lse, %d delta %delta{9} {5} : ({0}, {1}, {1}, {3}, {0}, {3}{10}) -> ({0}, {1}, {1})
  return %o, %dq, %dk, %dv{11} : {0}, {0}, {1}, {1}{8}
})";
  // A row without keys has another lse here than there.
  std::string more = (test.mask ? ", %m: " + mask : "") + (isNarrow ? ", %delta: " + statistics : "");
  return llvm::formatv(form, query, key, delta, statistics, "", attributes, more, test.mask ? " mask %m : " + mask : "",
                       test.emptyRows ? "" : ", " + statistics, test.mask ? " mask %m" : "",
                       test.mask ? ", " + mask : "", test.emptyRows ? "" : ", %lse")
      .str();
}

static std::vector<Tensor> inputsOf(const AttentionCase &test) {
  std::mt19937 engine(7);
  std::uniform_real_distribution<double> real(-1.0, 1.0);
  Shape query{test.samples, test.rows, test.heads, test.size}, key{test.samples, test.keys, test.keyHeads, test.size};
  std::vector<Tensor> inputs = randomTensors({query, key, key, query}, engine, 1.0);
  if (test.mask) {
    // Of the last sample no key may be read.
    inputs.emplace_back(Shape{test.samples, test.keys});
    for (int64_t i = 0; i < inputs.back().size(); ++i)
      inputs.back()[i] = i < (test.samples - 1) * test.keys && real(engine) > -0.5;
  }
  return inputs;
}

static void check(const AttentionCase &test, const char *element, double tolerance, bool everyWay) {
  std::string text = textOf(test, element);
  std::vector<Tensor> inputs = inputsOf(test);
  Machine machine = testMachine();
  RunOptions plain, parts, adding;
  plain.gpu = parts.gpu = adding.gpu = true;
  KernelRunner whole(text, plain);
  std::vector<Tensor> expected = whole.interpret(inputs, machine), found = whole.run(inputs, machine);
  expectNear(found, expected, tolerance);
  if (!everyWay)
    return;
  for (int64_t pad : {0, 3}) {
    parts.rowByRow = true;
    parts.pad = pad;
    KernelRunner blocks(text, parts);
    std::vector<Tensor> backwards = blocks.run(inputs, machine);
    expectNear(backwards, expected, tolerance);
    for (size_t r = 0; pad == 0 && r < found.size(); ++r)
      EXPECT_EQ(backwards[r].data, found[r].data) << "the order of blocks changes bits";
  }
  adding.accumulate = true;
  KernelRunner sums(text, adding);
  expectNear(sums.run(inputs, machine), expected, 4 * tolerance);
}

//===----------------------------------------------------------------------===//
// In 16 bits
//===----------------------------------------------------------------------===//

/// The largest product of a row of the output's gradient and a value.
static double largestProduct(const AttentionCase &test, const Tensor &value, const Tensor &gradient) {
  double largest = 0;
  for (int64_t row = 0; row < test.samples * test.rows * test.heads; ++row) {
    int64_t sample = row / test.heads / test.rows, head = row % test.heads / (test.heads / test.keyHeads);
    for (int64_t key = 0; key < test.keys; ++key) {
      double sum = 0;
      for (int64_t d = 0; d < test.size; ++d)
        sum +=
            gradient[row * test.size + d] * value[((sample * test.keys + key) * test.keyHeads + head) * test.size + d];
      largest = std::max(largest, std::fabs(sum));
    }
  }
  return largest;
}

/// Sums over the last dim of gradient * output, [b,a,s].
static Tensor deltaOf(const AttentionCase &test, const Tensor &output, const Tensor &gradient) {
  Tensor delta(Shape{test.samples, test.heads, test.rows});
  for (int64_t i = 0; i < output.size(); ++i) {
    int64_t row = i / test.size, head = row % test.heads, at = row / test.heads;
    delta[(at / test.rows * test.heads + head) * test.rows + at % test.rows] += output[i] * gradient[i];
  }
  return delta;
}

/// Numbers are sums of products of exact inputs with p or ds, which are rounded to `unit` of themselves, and are
/// rounded to it at the end; all else is f32. With |q|, |k|, |v|, |do| <= 1, sums of p' of a row of at most 1 / (1 -
/// rate), those of p of a column of at most `most`, and |dp| <= M, so that |ds| <= 2 scale p M / (1 - rate).
static std::vector<double> boundsOf(const AttentionCase &test, double unit, double most, double product) {
  double kept = test.dropout < 1 ? 1 / (1 - test.dropout) : 0, slope = 2 * 0.3 * product * kept;
  // Of f16 numbers below 2^-14 are rounded to 2^-25, of f32 more than these are lost.
  double lost = 1e-5 + 0x1p-25 * (test.keys + test.rows * test.heads / test.keyHeads);
  std::vector<double> bounds;
  for (double ofFactor : {kept, slope, slope * most, kept * most})
    bounds.push_back(unit * (1 + ofFactor) + lost);
  if (!test.emptyRows)
    bounds.push_back(1e-5);
  return bounds;
}

static void checkNarrow(const AttentionCase &test, const char *element, double unit, bool everyWay) {
  std::string text = textOf(test, element, /*isNarrow=*/true);
  Machine machine = testMachine();
  std::vector<Tensor> inputs = inputsOf(test);
  for (size_t i = 0; i < 4; ++i)
    for (double &x : inputs[i].data)
      x = std::nearbyint(x / unit) * unit;
  RunOptions interpreted;
  interpreted.onlyInterpret = true;
  KernelRunner wide(textOf(test, "f64"), interpreted);
  std::vector<Tensor> expected = wide.interpret(inputs, machine);
  // Columns' sums of p are the values' gradient for a gradient of ones.
  AttentionCase all = test;
  all.dropout = 0;
  std::vector<Tensor> ones = inputs;
  std::fill(ones[3].data.begin(), ones[3].data.end(), 1.0);
  KernelRunner columns(textOf(all, "f64"), interpreted);
  std::vector<Tensor> sums = columns.interpret(ones, machine);
  double most = *std::max_element(sums[3].data.begin(), sums[3].data.end());
  std::vector<double> bounds = boundsOf(test, unit, most, largestProduct(test, inputs[2], inputs[3]));
  inputs.push_back(deltaOf(test, expected[0], inputs[3]));
  auto compare = [&](const std::vector<Tensor> &found, double factor) {
    ASSERT_EQ(found.size(), bounds.size());
    for (size_t r = 0; r < found.size(); ++r)
      expectNear({found[r]}, {expected[r]}, factor * bounds[r]);
  };
  RunOptions plain, parts, adding;
  plain.gpu = parts.gpu = adding.gpu = true;
  KernelRunner whole(text, plain);
  std::vector<Tensor> found = whole.run(inputs, machine);
  compare(found, 1);
  if (!everyWay)
    return;
  parts.rowByRow = true;
  for (int64_t pad : {0, 3}) {
    parts.pad = pad;
    KernelRunner blocks(text, parts);
    std::vector<Tensor> backwards = blocks.run(inputs, machine);
    compare(backwards, 1);
    for (size_t r = 0; pad == 0 && r < found.size(); ++r)
      EXPECT_EQ(backwards[r].data, found[r].data) << "the order of blocks changes bits";
  }
  // To 1 what is added is rounded to units of the sum.
  adding.accumulate = true;
  KernelRunner added(text, adding);
  compare(added.run(inputs, machine), 2);
}

class Attention : public testing::TestWithParam<AttentionCase> {};

TEST_P(Attention, OfGpusEqualsTheInterpreterInF64) { check(GetParam(), "f64", 1e-12, /*everyWay=*/true); }
TEST_P(Attention, OfGpusEqualsTheInterpreterInF32) { check(GetParam(), "f32", 4e-6, /*everyWay=*/false); }
TEST_P(Attention, OfGpusInBFloat16IsWithinItsUnits) { checkNarrow(GetParam(), "bf16", 0x1p-8, /*everyWay=*/true); }
TEST_P(Attention, OfGpusInFloat16IsWithinItsUnits) { checkNarrow(GetParam(), "f16", 0x1p-11, /*everyWay=*/false); }

static const AttentionCase kCases[] = {
    {"OneRowAndKey", 1, 1, 1, 1, 1, 8},
    {"LessThanATile", 2, 5, 7, 2, 2, 8},
    {"CausalLessThanATile", 2, 5, 5, 2, 1, 16, true},
    {"ManyTiles", 1, 96, 64, 2, 2, 64},
    {"TilesThatEndEarly", 1, 70, 133, 1, 1, 64},
    {"CausalTilesThatEndEarly", 1, 133, 133, 2, 1, 32, true},
    {"MoreRowsThanKeys", 1, 131, 3, 1, 1, 32},
    {"MoreKeysThanRows", 1, 3, 131, 2, 1, 32, true},
    {"FourHeadsOfQueriesAKeyHead", 2, 33, 33, 8, 2, 16, true},
    {"OddSize", 1, 19, 21, 2, 1, 5, true},
    {"SizeOfTen", 1, 40, 40, 2, 2, 10},
    {"SizeOf48", 1, 40, 40, 1, 1, 48, true},
    {"SizeOf80", 1, 40, 40, 2, 1, 80, true},
    {"SizeOf128", 1, 70, 70, 1, 1, 128, true},
    {"SizeOf250", 1, 20, 20, 1, 1, 250},
    {"SizeOf256", 1, 37, 37, 2, 1, 256, true},
    {"Mask", 3, 35, 37, 2, 1, 16, false, true, 0, true},
    {"MaskAndCausal", 3, 70, 70, 2, 2, 16, true, true, 0, true},
    {"DropoutAtMultiplesOfFour", 2, 70, 72, 2, 2, 32, false, false, 0.25},
    {"DropoutAnywhere", 2, 37, 37, 4, 2, 16, true, true, 0.25, true},
    {"DropoutInFewKeys", 1, 70, 12, 2, 2, 128, false, false, 0.5},
    {"DropoutOfEverything", 1, 9, 9, 1, 1, 8, false, false, 1.0},
    {"RowsOfTheSecondMember", 1, 40, 80, 2, 1, 32, true, false, 0.25, false,
     "{global = 80, padded = 80, axes = [\"tp\"]}"},
    {"KeysThatAreLater", 1, 80, 40, 2, 1, 32, true, false, 0.25, true, "",
     "{global = 80, padded = 80, axes = [\"tp\"]}"},
    {"BlocksOfAZigzag", 1, 40, 40, 2, 1, 16, true, false, 0.25, false,
     "{global = 80, padded = 80, axes = [\"tp\"], blocks = array<i64: 0, 3, 1, 2>}",
     "{global = 80, padded = 80, axes = [\"tp\"], blocks = array<i64: 0, 3, 1, 2>}"},
    {"BlocksOutOfOrder", 1, 40, 40, 1, 1, 16, true, false, 0.25, false,
     "{global = 80, padded = 80, axes = [\"tp\"], blocks = array<i64: 0, 3, 2, 1>}",
     "{global = 80, padded = 80, axes = [\"tp\"], blocks = array<i64: 0, 3, 2, 1>}"},
};

INSTANTIATE_TEST_SUITE_P(All, Attention, testing::ValuesIn(kCases),
                         [](const auto &info) { return std::string(info.param.name); });
