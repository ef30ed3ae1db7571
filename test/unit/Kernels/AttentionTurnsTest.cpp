//===- AttentionTurnsTest.cpp - attention turn by turn against all at once -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The kernels that take what other turns made: two parts of the rows and four of
// the keys, each with each in any order, give the parts of output, log-sum-exp
// and gradients that the interpreter makes of all rows and keys at once.
//
//===----------------------------------------------------------------------===//

#include "KernelRunner.h"
#include "llvm/Support/FormatVariadic.h"
#include <gtest/gtest.h>
#include <random>

using namespace mlir;
using namespace colo::test;

static constexpr int64_t kRowParts = 2, kKeyParts = 4;

namespace {
struct TurnsCase {
  const char *name;
  int64_t samples, length, heads, keyHeads, size;
  bool causal, mask;
  double dropout;
  std::array<int64_t, kKeyParts> order; ///< of the parts of keys
};

/// The types and attributes of one function's text.
struct Text {
  const TurnsCase &test;
  std::string element;

  std::string tensor(std::initializer_list<int64_t> sizes, StringRef of = "") const {
    std::string text = "tensor<";
    for (int64_t size : sizes)
      text += std::to_string(size) + "x";
    return text + (of.empty() ? element : of.str()) + ">";
  }
  std::string rows(int64_t parts = 1) const {
    return tensor({test.samples, test.length / parts, test.heads, test.size});
  }
  std::string keys(int64_t parts = 1) const {
    return tensor({test.samples, test.length / parts, test.keyHeads, test.size});
  }
  std::string statistics(int64_t parts = 1) const { return tensor({test.samples, test.heads, test.length / parts}); }
  std::string mask(int64_t parts = 1) const { return tensor({test.samples, test.length / parts}, "i1"); }

  /// `row` and `key` are parts, or -1 for all. The machine is member 1 of 2 of "tp" and 2 of 4 of "sp".
  std::string attributes(int64_t row, int64_t key) const {
    auto dim = [](int64_t size, StringRef axis, int64_t before) {
      std::string text = llvm::formatv("{{global = {0}, padded = {0}, axes = [{1}]", size, axis).str();
      return text + (before ? llvm::formatv(", before = {{turn = {0} : i64}", before).str() : "") + "}";
    };
    std::string rowDim = row < 0 ? dim(test.length, "", 0) : dim(test.length, "\"tp\"", (1 - row + 2) % 2);
    std::string keyDim = key < 0 ? dim(test.length, "", 0) : dim(test.length, "\"sp\"", (2 - key + 4) % 4);
    return llvm::formatv(
               "{{scale = 3.0e-1 : f64, dropout = {0:f3} : f64, id = 7 : i64, positions = [{1}, {2}, {3}, {4}]{5}}",
               test.dropout, dim(test.samples, "", 0), dim(test.heads, "", 0), rowDim, keyDim,
               test.causal ? ", causal" : "")
        .str();
  }
  std::string header(StringRef results) const {
    return llvm::formatv("dist.mesh @mesh <[\"tp\"=2, \"sp\"=4]>\n"
                         "func.func @f(%q: {0}, %k: {1}, %v: {1}, %d: {0}{2}) -> ({3}) {{\n",
                         rows(), keys(), test.mask ? ", %m: " + mask() : "", results)
        .str();
  }
  std::string delta(StringRef name, StringRef gradient, StringRef output, int64_t parts) const {
    std::string perRow = tensor({test.samples, test.length / parts, test.heads});
    return llvm::formatv("  %t{0} = colo.mul {1}, {2} : {3}\n"
                         "  %r{0} = colo.reduce %t{0} {{kind = 0 : i32, dims = array<i64: 3>} : {3} -> {4}\n"
                         "  %delta{0} = colo.transpose %r{0} {{permutation = array<i64: 0, 2, 1>} : {4} -> {5}\n",
                         name, gradient, output, rows(parts), perRow, statistics(parts))
        .str();
  }
};
} // namespace

static std::string wholeText(const Text &text) {
  std::string q = text.rows(), k = text.keys(), lse = text.statistics(), attributes = text.attributes(-1, -1);
  std::string body = text.header(llvm::formatv("{0}, {1}, {0}, {2}, {2}", q, lse, k).str());
  body += llvm::formatv("  %o, %lse = colo.attention %q, %k, %v{0} {1} : {2}, {3}, {3} -> {2}, {4}\n",
                        text.test.mask ? " mask %m : " + text.mask() : "", attributes, q, k, lse)
              .str();
  body += text.delta("", "%d", "%o", 1);
  body +=
      llvm::formatv("  %dq, %dk, %dv = colo.attention_grad %q, %k, %v, %lse, %d delta %delta{0} {1} : ({2}, {3}, "
                    "{3}, {4}, {2}, {4}{5}) -> ({2}, {3}, {3})\n",
                    text.test.mask ? " mask %m" : "", attributes, q, k, lse, text.test.mask ? ", " + text.mask() : "")
          .str();
  return body + llvm::formatv("  return %o, %lse, %dq, %dk, %dv : {0}, {1}, {0}, {2}, {2}\n}\n", q, lse, k).str();
}

/// The same by parts, every attention in place of the one before.
static std::string turnsText(const Text &text) {
  std::string q = text.rows(kRowParts), k = text.keys(kKeyParts), lse = text.statistics(kRowParts);
  std::string mask = text.mask(kKeyParts), results, names;
  auto give = [&](const std::string &name, const std::string &type) {
    names += (names.empty() ? "" : ", ") + name;
    results += (results.empty() ? "" : ", ") + type;
  };
  std::string body;
  auto cut = [&](StringRef name, int64_t part, StringRef offsets, StringRef whole, StringRef type) {
    int64_t rank = whole.count('x');
    std::string ones = "1";
    for (int64_t i = 1; i < rank; ++i)
      ones += ", 1";
    body += llvm::formatv(
                "  %{0}{1} = colo.slice %{0} {{offsets = array<i64: {2}>, strides = array<i64: {3}>} : {4} -> {5}\n",
                name, part, offsets, ones, whole, type)
                .str();
  };
  for (int64_t part = 0; part < kKeyParts; ++part) {
    int64_t first = part * text.test.length / kKeyParts;
    for (StringRef name : {"k", "v"})
      cut(name, part, llvm::formatv("0, {0}, 0, 0", first).str(), text.keys(), k);
    if (text.test.mask)
      cut("m", part, llvm::formatv("0, {0}", first).str(), text.mask(), mask);
  }
  std::string sums[kKeyParts]; // names of the gradients of keys so far
  for (int64_t row = 0; row < kRowParts; ++row) {
    std::string rows = llvm::formatv("0, {0}, 0, 0", row * text.test.length / kRowParts).str(), before, dquery;
    for (StringRef name : {"q", "d"})
      cut(name, row, rows, text.rows(), q);
    for (int64_t key : text.test.order) {
      std::string name = llvm::formatv("{0}{1}", row, key).str();
      body +=
          llvm::formatv("  %o{0}, %lse{0} = colo.attention %q{1}, %k{2}, %v{2}{3}{4} {5} : {6}, {7}, {7} -> {6}, {8}\n",
                        name, row, key, text.test.mask ? llvm::formatv(" mask %m{0} : {1}", key, mask).str() : "",
                        before.empty() ? "" : llvm::formatv(" into %o{0}, %lse{0} : {1}, {2}", before, q, lse).str(),
                        text.attributes(row, key), q, k, lse)
              .str();
      before = name;
    }
    std::string output = "%o" + before, last = "%lse" + before, number = std::to_string(row);
    body += text.delta(number, "%d" + number, output, kRowParts);
    for (int64_t key : text.test.order) {
      std::string name = llvm::formatv("{0}{1}", row, key).str(), operands, types;
      if (text.test.mask)
        operands += llvm::formatv(" mask %m{0}", key).str(), types += ", " + mask;
      if (!dquery.empty())
        operands += " dquery " + dquery, types += ", " + q;
      if (!sums[key].empty())
        operands += llvm::formatv(" dkey %dk{0} dvalue %dv{0}", sums[key]).str(), types += ", " + k + ", " + k;
      body +=
          llvm::formatv(
              "  %dq{0}, %dk{0}, %dv{0} = colo.attention_grad %q{1}, %k{2}, %v{2}, {3}, %d{1} delta %delta{1}{4} {5} "
              ": ({6}, {7}, {7}, {8}, {6}, {8}{9}) -> ({6}, {7}, {7})\n",
              name, row, key, last, operands, text.attributes(row, key), q, k, lse, types)
              .str();
      dquery = "%dq" + name;
      sums[key] = name;
    }
    give(output, q);
    give(last, lse);
    give(dquery, q);
  }
  for (const std::string &name : sums) {
    give("%dk" + name, k);
    give("%dv" + name, k);
  }
  return text.header(results) + body + "  return " + names + " : " + results + "\n}\n";
}

/// Part `number` of `parts` along a dim.
static Tensor partOf(const Tensor &whole, int64_t dim, int64_t number, int64_t parts) {
  Shape shape = whole.shape;
  int64_t size = shape[dim] / parts, inner = 1;
  for (int64_t d = dim + 1; d < static_cast<int64_t>(shape.size()); ++d)
    inner *= shape[d];
  shape[dim] = size;
  Tensor part(shape);
  for (int64_t i = 0; i < part.size(); ++i)
    part[i] = whole[(i / (size * inner) * parts + number) * size * inner + i % (size * inner)];
  return part;
}

/// Padded memory goes with blocks from the last one on.
static void check(const TurnsCase &test, const char *element, double tolerance, int64_t pad) {
  std::mt19937 engine(7);
  std::uniform_real_distribution<double> real(-1.0, 1.0);
  Shape query{test.samples, test.length, test.heads, test.size},
      key{test.samples, test.length, test.keyHeads, test.size};
  std::vector<Tensor> inputs = randomTensors({query, key, key, query}, engine, 1.0);
  if (test.mask) {
    // Of the first part no key may be read but the first: rows of it have one key, or in the other turns none.
    inputs.emplace_back(Shape{test.samples, test.length});
    for (int64_t i = 0; i < inputs.back().size(); ++i) {
      int64_t at = i % test.length;
      inputs.back()[i] = at == 0 || (at >= test.length / kKeyParts && real(engine) > -0.5);
    }
  }
  Machine machine = testMachine();
  machine.axes["sp"] = {2, 4};
  Text text{test, element};
  RunOptions options;
  options.gpu = true;
  std::vector<Tensor> all = KernelRunner(wholeText(text), options).interpret(inputs, machine), expected;
  ASSERT_EQ(all.size(), 5u);
  for (int64_t row = 0; row < kRowParts; ++row) {
    expected.push_back(partOf(all[0], 1, row, kRowParts));
    expected.push_back(partOf(all[1], 2, row, kRowParts));
    expected.push_back(partOf(all[2], 1, row, kRowParts));
  }
  for (int64_t part = 0; part < kKeyParts; ++part)
    for (int64_t gradient : {3, 4})
      expected.push_back(partOf(all[gradient], 1, part, kKeyParts));
  options.pad = pad;
  options.rowByRow = pad > 0;
  KernelRunner turns(turnsText(text), options);
  expectNear(turns.run(inputs, machine), expected, tolerance);
}

class AttentionTurns : public testing::TestWithParam<TurnsCase> {};

TEST_P(AttentionTurns, OfGpusAddUpToAllAtOnceInF64) { check(GetParam(), "f64", 1e-12, /*pad=*/3); }
TEST_P(AttentionTurns, OfGpusAddUpToAllAtOnceInF32) { check(GetParam(), "f32", 8e-6, /*pad=*/0); }

static const TurnsCase kCases[] = {
    {"InOrder", 2, 64, 2, 2, 16, false, false, 0, {0, 1, 2, 3}},
    {"LastKeysFirst", 1, 96, 2, 1, 32, true, false, 0, {3, 2, 1, 0}},
    {"OwnKeysFirst", 1, 160, 2, 2, 64, true, false, 0, {2, 1, 0, 3}},
    {"ShuffledWithDropout", 2, 80, 4, 2, 16, true, false, 0.25, {1, 3, 0, 2}},
    {"Masked", 2, 48, 2, 2, 10, false, true, 0, {0, 2, 1, 3}},
    {"MaskedCausalDropout", 2, 72, 2, 1, 5, true, true, 0.25, {3, 0, 2, 1}},
    {"SizeOf80", 1, 48, 2, 1, 80, true, false, 0, {1, 0, 3, 2}},
    {"SizeOf256", 1, 48, 1, 1, 256, true, false, 0, {3, 0, 1, 2}},
};

INSTANTIATE_TEST_SUITE_P(All, AttentionTurns, testing::ValuesIn(kCases),
                         [](const auto &info) { return std::string(info.param.name); });
