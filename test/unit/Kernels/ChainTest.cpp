//===- ChainTest.cpp - chains of ops that no kernel holds whole -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A norm, activations with biases behind it and all of their gradients, as one
// function: the gradients need every activation's argument once more. The chain is
// cut, and what its kernels give together equals the interpreter.
//
//===----------------------------------------------------------------------===//

#include "KernelRunner.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace colo::test;

namespace {
/// A function in the making on rows of 24 elements.
class Chain {
public:
  std::string op(const std::string &text, const std::string &type = kWhole) {
    std::string name = "%v" + std::to_string(count++);
    body += "  " + name + " = colo." + text + " : " + type + "\n";
    return name;
  }
  std::string parameter() {
    std::string name = "%p" + std::to_string(shapes.size());
    arguments += ", " + name + ": tensor<24xf64>";
    shapes.push_back({24});
    return op("broadcast " + name + " {dims = array<i64: 1>}", std::string("tensor<24xf64> -> ") + kWhole);
  }
  std::string mean(const std::string &x) {
    std::string sum =
        op("reduce " + x + " {kind = 0 : i32, dims = array<i64: 1>}", std::string(kWhole) + " -> tensor<64xf64>");
    std::string all = op("broadcast " + sum + " {dims = array<i64: 0>}", std::string("tensor<64xf64> -> ") + kWhole);
    return op("mul " + all + ", " + op("constant 0.041"));
  }
  void columnSum(const std::string &x) {
    result(op("reduce " + x + " {kind = 0 : i32, dims = array<i64: 0>}", std::string(kWhole) + " -> tensor<24xf64>"),
           "tensor<24xf64>");
  }
  void result(const std::string &name, const std::string &type = kWhole) {
    std::string comma = results.empty() ? "" : ", ";
    results += comma + name;
    types += comma + type;
  }
  std::string text() const {
    return "func.func @f(%x: tensor<64x24xf64>, %dy: tensor<64x24xf64>" + arguments + ") -> (" + types + ") {\n" +
           body + "  return " + results + " : " + types + "\n}\n";
  }
  std::vector<Shape> shapes{{64, 24}, {64, 24}};

private:
  static constexpr const char *kWhole = "tensor<64x24xf64>";
  std::string arguments, body, results, types;
  int count = 0;
};
} // namespace

/// Rows less their means, `depth` times an activation of a sum with a bias, and the gradients of all.
static Chain activations(int depth) {
  Chain chain;
  std::string x = chain.op("sub %x, " + chain.mean("%x")), gradient = "%dy";
  std::vector<std::string> sums;
  for (int i = 0; i < depth; ++i) {
    sums.push_back(chain.op("add " + x + ", " + chain.parameter()));
    x = chain.op("gelu " + sums.back() + " {tanh}");
  }
  chain.result(x);
  for (const std::string &sum : llvm::reverse(sums)) {
    gradient = chain.op("gelu_grad " + sum + ", " + gradient + " {tanh}");
    chain.columnSum(gradient);
  }
  chain.result(chain.op("sub " + gradient + ", " + chain.mean(gradient)));
  return chain;
}

/// `depth` times rows less their means, over their norms.
static Chain norms(int depth) {
  Chain chain;
  std::string x = "%x";
  for (int i = 0; i < depth; ++i) {
    std::string less = chain.op("sub " + x + ", " + chain.mean(x));
    std::string variance = chain.mean(chain.op("mul " + less + ", " + less));
    std::string scaled = chain.op("mul " + less + ", " + chain.op("rsqrt " + variance));
    x = chain.op("add " + chain.op("mul " + scaled + ", " + chain.parameter()) + ", " + chain.parameter());
  }
  chain.result(chain.op("mul " + x + ", %dy"));
  return chain;
}

static void expectEqual(const Chain &chain, bool gpu) {
  RunOptions options;
  options.gpu = gpu;
  std::mt19937 engine(11);
  std::vector<Tensor> inputs = randomTensors(chain.shapes, engine, 1.0);
  KernelRunner runner(chain.text(), options);
  expectNear(runner.run(inputs, testMachine()), runner.interpret(inputs, testMachine()), 1e-12);
}

static int64_t kernelsOf(const Chain &chain, bool gpu) {
  RunOptions options;
  options.gpu = gpu;
  return KernelRunner(chain.text(), options).kernelCount();
}

TEST(Chains, OfActivationsEqualTheInterpreter) { expectEqual(activations(100), /*gpu=*/false); }
TEST(Chains, OfActivationsOfGpusEqualTheInterpreter) { expectEqual(activations(100), /*gpu=*/true); }
TEST(Chains, OfNormsEqualTheInterpreter) { expectEqual(norms(40), /*gpu=*/false); }
TEST(Chains, OfNormsOfGpusEqualTheInterpreter) { expectEqual(norms(40), /*gpu=*/true); }

/// What one kernel holds is bounded, so a longer chain is more kernels, in proportion.
TEST(Chains, AreCutInProportion) {
  for (bool gpu : {false, true}) {
    int64_t few = kernelsOf(activations(40), gpu), many = kernelsOf(activations(120), gpu);
    EXPECT_GT(many, few + few / 2);
    EXPECT_LE(many, 4 * few);
  }
}

/// Of blocks of 512 threads shared memory holds twelve sums of f64 at once; here are twenty.
TEST(Chains, OfColumnSumsTakeTurnsInSharedMemory) {
  Chain chain;
  for (int i = 0; i < 20; ++i)
    chain.columnSum(chain.op("mul %x, " + chain.parameter()));
  EXPECT_EQ(kernelsOf(chain, /*gpu=*/true), 1);
  expectEqual(chain, /*gpu=*/true);
}
