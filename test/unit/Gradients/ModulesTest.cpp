//===- ModulesTest.cpp - gradients through calls and runs of layers -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Whole programs: what is carried, invariant, stacked, saved, recomputed, tied
// and accumulated. Parameters are small so that differences are cheap.
//
//===----------------------------------------------------------------------===//

#include "Program.h"
#include <gtest/gtest.h>

using namespace colo::test;

/// A parameter of `layers` layers; dims as "3, 5".
static std::string param(const std::string &name, const std::string &dims, int layers = 1) {
  std::string type = dims;
  for (size_t at; (at = type.find(", ")) != std::string::npos;)
    type.replace(at, 2, "x");
  std::string count = layers > 1 ? "layers = " + std::to_string(layers) + " : i64, " : "";
  return "colo.param @\"" + name + "\" : tensor<" + type + "xf64> {" + count + "logical_shape = array<i64: " + dims +
         ">, file_shape = array<i64: " + dims + ">, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}\n";
}

static std::vector<Tensor> rowsAndWeights() { return {randomTensor({2, 3}, 5), randomTensor({2, 3}, 6, 0.1, 1.0)}; }

static const std::string entryHead =
    "func.func @M(%x: tensor<2x3xf64> {colo.input = \"x\"}, %w: tensor<2x3xf64> {colo.input = \"w\"}) attributes "
    "{colo.role = \"entry\"} {\n";
static const std::string entryTail =
    "%loss = colo.weighted_mean %y, %w : tensor<2x3xf64>, tensor<2x3xf64> -> tensor<f64>\n"
    "colo.metric \"loss\", %loss : tensor<f64>\nreturn\n}\n";

/// tanh(x a^T), with dropout.
static const std::string linearTanh =
    "func.func private @F(%x: tensor<2x3xf64>, %a: tensor<3x3xf64> {colo.param = \"a\"}) -> tensor<2x3xf64> {\n"
    "%p = colo.einsum \"bi,oi->bo\", %x, %a : tensor<2x3xf64>, tensor<3x3xf64> -> tensor<2x3xf64>\n"
    "%t = colo.tanh %p : tensor<2x3xf64>\n"
    "%d = colo.dropout %t {rate = 0.25 : f64, id = 2 : i64} : tensor<2x3xf64>\n"
    "return %d : tensor<2x3xf64>\n}\n";

TEST(Call, WithOneParameterInTwoCalls) {
  checkGradients(param("a", "3, 3") + linearTanh + entryHead +
                     "%p = colo.call @F(%x) params [@a] : (tensor<2x3xf64>) -> tensor<2x3xf64>\n"
                     "%y = colo.call @F(%p) params [@a] {layer = 1 : i64} : (tensor<2x3xf64>) -> tensor<2x3xf64>\n" +
                     entryTail,
                 rowsAndWeights());
}

TEST(Call, OfAFunctionThatCalls) {
  checkGradients(param("a", "3, 3") + param("b", "3, 3") + linearTanh +
                     "func.func private @G(%x: tensor<2x3xf64>, %b: tensor<3x3xf64> {colo.param = \"b\"}) -> "
                     "(tensor<2x3xf64>, tensor<2x3xf64>) {\n"
                     "%p = colo.call @F(%x) params [@a] : (tensor<2x3xf64>) -> tensor<2x3xf64>\n"
                     "%q = colo.einsum \"bi,oi->bo\", %p, %b : tensor<2x3xf64>, tensor<3x3xf64> -> tensor<2x3xf64>\n"
                     "%g = colo.gelu %q : tensor<2x3xf64>\n"
                     "return %q, %g : tensor<2x3xf64>, tensor<2x3xf64>\n}\n" +
                     entryHead +
                     "%p, %q = colo.call @G(%x) params [@b] : (tensor<2x3xf64>) -> (tensor<2x3xf64>, tensor<2x3xf64>)\n"
                     "%r, %s = colo.call @G(%q) params [@b] : (tensor<2x3xf64>) -> (tensor<2x3xf64>, tensor<2x3xf64>)\n"
                     "%y = colo.mul %r, %p : tensor<2x3xf64>\n" +
                     entryTail,
                 rowsAndWeights());
}

TEST(Layers, RunBackwardInReverse) {
  checkGradients(param("h.#.a", "3, 3", 4) + linearTanh + entryHead +
                     "%y = colo.layers @F(%x) invariants() stacked() params [@\"h.#.a\"] {count = 4 : i64} : "
                     "(tensor<2x3xf64>) () () -> (tensor<2x3xf64>) () ()\n" +
                     entryTail,
                 rowsAndWeights());
}

TEST(Layers, TwoRunsOfOneFunctionInOneModel) {
  checkGradients(
      param("h.#.a", "3, 3", 2) + param("g.#.a", "3, 3", 3) + linearTanh + entryHead +
          "%p = colo.layers @F(%x) invariants() stacked() params [@\"h.#.a\"] {count = 2 : i64} : "
          "(tensor<2x3xf64>) () () -> (tensor<2x3xf64>) () ()\n"
          "%y = colo.layers @F(%p) invariants() stacked() params [@\"g.#.a\"] {count = 3 : i64, first_layer = "
          "2 : i64} : (tensor<2x3xf64>) () () -> (tensor<2x3xf64>) () ()\n" +
          entryTail,
      rowsAndWeights());
}

/// (carried, invariant, stacked slice, parameter) -> (carried, accumulated, stacked slice)
static const std::string everyKind =
    "func.func private @F(%x: tensor<2x3xf64>, %v: tensor<3xf64>, %s: tensor<3xf64>, %a: tensor<3x3xf64> {colo.param = "
    "\"a\"}) -> (tensor<2x3xf64>, tensor<2x3xf64>, tensor<2x3xf64>) {\n"
    "%vb = colo.broadcast %v {dims = array<i64: 1>} : tensor<3xf64> -> tensor<2x3xf64>\n"
    "%sb = colo.broadcast %s {dims = array<i64: 1>} : tensor<3xf64> -> tensor<2x3xf64>\n"
    "%e = colo.exp %vb : tensor<2x3xf64>\n"
    "%p = colo.einsum \"bi,oi->bo\", %x, %a : tensor<2x3xf64>, tensor<3x3xf64> -> tensor<2x3xf64>\n"
    "%q = colo.mul %p, %e : tensor<2x3xf64>\n"
    "%t = colo.tanh %q : tensor<2x3xf64>\n"
    "%r = colo.mul %t, %sb : tensor<2x3xf64>\n"
    "%u = colo.mul %r, %x : tensor<2x3xf64>\n"
    "return %r, %u, %t : tensor<2x3xf64>, tensor<2x3xf64>, tensor<2x3xf64>\n}\n";

TEST(Layers, WithInvariantsStackedValuesAndSums) {
  checkGradients(
      param("a.#", "3, 3", 4) + param("v", "3") + param("s", "4, 3") + param("o", "4, 2, 3") + everyKind + entryHead +
          "%v = colo.param_ref @v : tensor<3xf64>\n%s = colo.param_ref @s : tensor<4x3xf64>\n"
          "%o = colo.param_ref @o : tensor<4x2x3xf64>\n"
          "%se = colo.exp %s : tensor<4x3xf64>\n"
          "%p, %q, %r = colo.layers @F(%x) invariants(%v) stacked(%se) params [@\"a.#\"] {count = 4 : i64} : "
          "(tensor<2x3xf64>) (tensor<3xf64>) (tensor<4x3xf64>) -> (tensor<2x3xf64>) (tensor<2x3xf64>) "
          "(tensor<4x2x3xf64>)\n"
          "%m = colo.mul %r, %o : tensor<4x2x3xf64>\n"
          "%n = colo.reduce %m {kind = 0 : i32, dims = array<i64: 0>} : tensor<4x2x3xf64> -> tensor<2x3xf64>\n"
          "%pq = colo.mul %p, %q : tensor<2x3xf64>\n"
          "%y = colo.add %pq, %n : tensor<2x3xf64>\n" +
          entryTail,
      rowsAndWeights());
}

TEST(Layers, WhoseStackedResultAloneReachesTheLoss) {
  checkGradients(param("a.#", "3, 3", 3) + param("v", "3") + param("s", "3, 3") + everyKind + entryHead +
                     "%v = colo.param_ref @v : tensor<3xf64>\n%s = colo.param_ref @s : tensor<3x3xf64>\n"
                     "%p, %q, %r = colo.layers @F(%x) invariants(%v) stacked(%s) params [@\"a.#\"] {count = 3 : i64} : "
                     "(tensor<2x3xf64>) (tensor<3xf64>) (tensor<3x3xf64>) -> (tensor<2x3xf64>) (tensor<2x3xf64>) "
                     "(tensor<3x2x3xf64>)\n"
                     "%y = colo.reduce %r {kind = 0 : i32, dims = array<i64: 0>} : tensor<3x2x3xf64> -> "
                     "tensor<2x3xf64>\n" +
                     entryTail,
                 rowsAndWeights());
}

TEST(Layers, OfAFunctionThatIsAlsoCalled) {
  checkGradients(param("a", "3, 3") + param("h.#.a", "3, 3", 2) + linearTanh + entryHead +
                     "%p = colo.call @F(%x) params [@a] {layer = 2 : i64} : (tensor<2x3xf64>) -> tensor<2x3xf64>\n"
                     "%q = colo.layers @F(%p) invariants() stacked() params [@\"h.#.a\"] {count = 2 : i64} : "
                     "(tensor<2x3xf64>) () () -> (tensor<2x3xf64>) () ()\n"
                     "%y = colo.mul %q, %p : tensor<2x3xf64>\n" +
                     entryTail,
                 rowsAndWeights());
}

/// The second argument is an invariant of one run and stacked in the other.
TEST(Layers, OfOneFunctionWithTwoSignatures) {
  checkGradients(
      param("v", "3") + param("s", "2, 3") +
          "func.func private @F(%x: tensor<2x3xf64>, %v: tensor<3xf64>) -> tensor<2x3xf64> {\n"
          "%vb = colo.broadcast %v {dims = array<i64: 1>} : tensor<3xf64> -> tensor<2x3xf64>\n"
          "%p = colo.mul %x, %vb : tensor<2x3xf64>\n"
          "%t = colo.tanh %p : tensor<2x3xf64>\n"
          "return %t : tensor<2x3xf64>\n}\n" +
          entryHead +
          "%v = colo.param_ref @v : tensor<3xf64>\n%s = colo.param_ref @s : tensor<2x3xf64>\n"
          "%ve = colo.exp %v : tensor<3xf64>\n%se = colo.exp %s : tensor<2x3xf64>\n"
          "%p = colo.layers @F(%x) invariants(%ve) stacked() params [] {count = 3 : i64} : (tensor<2x3xf64>) "
          "(tensor<3xf64>) () -> (tensor<2x3xf64>) () ()\n"
          "%y = colo.layers @F(%p) invariants() stacked(%se) params [] {count = 2 : i64} : (tensor<2x3xf64>) () "
          "(tensor<2x3xf64>) -> (tensor<2x3xf64>) () ()\n" +
          entryTail,
      rowsAndWeights());
}

//===----------------------------------------------------------------------===//
// A transformer
//===----------------------------------------------------------------------===//

static const std::string block = R"(
func.func private @Block(%x: tensor<2x3x4xf64>, %g: tensor<4xf64> {colo.param = "ln.weight"},
    %wqkv: tensor<3x2x2x4xf64> {colo.param = "qkv"}, %wo: tensor<4x2x2xf64> {colo.param = "proj"},
    %w1: tensor<5x4xf64> {colo.param = "fc"}, %b1: tensor<5xf64> {colo.param = "fc.bias"},
    %w2: tensor<4x5xf64> {colo.param = "fc2"}) -> tensor<2x3x4xf64> {
  %n, %mean, %rstd = colo.layer_norm %x {eps = 1.0e-2 : f64} : tensor<2x3x4xf64> -> tensor<2x3x4xf64>, tensor<2x3xf64>, tensor<2x3xf64>
  %gb = colo.broadcast %g {dims = array<i64: 2>} : tensor<4xf64> -> tensor<2x3x4xf64>
  %a = colo.mul %n, %gb : tensor<2x3x4xf64>
  %qkv = colo.einsum "bsh,kadh->bskad", %a, %wqkv : tensor<2x3x4xf64>, tensor<3x2x2x4xf64> -> tensor<2x3x3x2x2xf64>
  %q0 = colo.slice %qkv {offsets = array<i64: 0, 0, 0, 0, 0>, strides = array<i64: 1, 1, 1, 1, 1>} : tensor<2x3x3x2x2xf64> -> tensor<2x3x1x2x2xf64>
  %k0 = colo.slice %qkv {offsets = array<i64: 0, 0, 1, 0, 0>, strides = array<i64: 1, 1, 1, 1, 1>} : tensor<2x3x3x2x2xf64> -> tensor<2x3x1x2x2xf64>
  %v0 = colo.slice %qkv {offsets = array<i64: 0, 0, 2, 0, 0>, strides = array<i64: 1, 1, 1, 1, 1>} : tensor<2x3x3x2x2xf64> -> tensor<2x3x1x2x2xf64>
  %q = colo.reshape %q0 : tensor<2x3x1x2x2xf64> -> tensor<2x3x2x2xf64>
  %k = colo.reshape %k0 : tensor<2x3x1x2x2xf64> -> tensor<2x3x2x2xf64>
  %v = colo.reshape %v0 : tensor<2x3x1x2x2xf64> -> tensor<2x3x2x2xf64>
  %o, %lse = colo.attention %q, %k, %v {scale = 0.7 : f64, causal, dropout = 0.2 : f64, id = 1 : i64} : tensor<2x3x2x2xf64>, tensor<2x3x2x2xf64>, tensor<2x3x2x2xf64> -> tensor<2x3x2x2xf64>, tensor<2x2x3xf64>
  %p = colo.einsum "bsad,had->bsh", %o, %wo : tensor<2x3x2x2xf64>, tensor<4x2x2xf64> -> tensor<2x3x4xf64>
  %pd = colo.dropout %p {rate = 0.2 : f64, id = 2 : i64} : tensor<2x3x4xf64>
  %x2 = colo.add %x, %pd : tensor<2x3x4xf64>
  %n2, %mean2, %rstd2 = colo.layer_norm %x2 {eps = 1.0e-2 : f64} : tensor<2x3x4xf64> -> tensor<2x3x4xf64>, tensor<2x3xf64>, tensor<2x3xf64>
  %f = colo.einsum "bsh,fh->bsf", %n2, %w1 : tensor<2x3x4xf64>, tensor<5x4xf64> -> tensor<2x3x5xf64>
  %bb = colo.broadcast %b1 {dims = array<i64: 2>} : tensor<5xf64> -> tensor<2x3x5xf64>
  %fb = colo.add %f, %bb : tensor<2x3x5xf64>
  %act = colo.gelu %fb {tanh} : tensor<2x3x5xf64>
  %f2 = colo.einsum "bsf,hf->bsh", %act, %w2 : tensor<2x3x5xf64>, tensor<4x5xf64> -> tensor<2x3x4xf64>
  %y = colo.add %x2, %f2 : tensor<2x3x4xf64>
  return %y : tensor<2x3x4xf64>
}
func.func @GPT2(%tokens: tensor<2x3xi32> {colo.input = "tokens"}, %targets: tensor<2x3xi32> {colo.input = "targets"}) attributes {colo.role = "entry"} {
  %wte = colo.param_ref @wte : tensor<7x4xf64>
  %wpe = colo.param_ref @wpe : tensor<3x4xf64>
  %e = colo.embedding %wte, %tokens : tensor<7x4xf64>, tensor<2x3xi32> -> tensor<2x3x4xf64>
  %pb = colo.broadcast %wpe {dims = array<i64: 1, 2>} : tensor<3x4xf64> -> tensor<2x3x4xf64>
  %x = colo.add %e, %pb : tensor<2x3x4xf64>
  %y = colo.layers @Block(%x) invariants() stacked() params [@"h.#.ln", @"h.#.qkv", @"h.#.proj", @"h.#.fc", @"h.#.fc.bias", @"h.#.fc2"] {count = 2 : i64} : (tensor<2x3x4xf64>) () () -> (tensor<2x3x4xf64>) () ()
  %logits = colo.einsum "bsh,vh->bsv", %y, %wte : tensor<2x3x4xf64>, tensor<7x4xf64> -> tensor<2x3x7xf64>
  %losses, %weights, %lse = colo.cross_entropy %logits, %targets {classes = 7 : i64, ignore_index = -100 : i64, label_smoothing = 0.1 : f64} : tensor<2x3x7xf64>, tensor<2x3xi32> -> tensor<2x3xf64>, tensor<2x3xf64>, tensor<2x3xf64>
  %loss = colo.weighted_mean %losses, %weights : tensor<2x3xf64>, tensor<2x3xf64> -> tensor<f64>
  %hit, %hw = colo.correct %logits, %targets {classes = 7 : i64, ignore_index = -100 : i64} : tensor<2x3x7xf64>, tensor<2x3xi32> -> tensor<2x3xf64>, tensor<2x3xf64>
  %accuracy = colo.weighted_mean %hit, %hw : tensor<2x3xf64>, tensor<2x3xf64> -> tensor<f64>
  colo.metric "loss", %loss : tensor<f64>
  colo.metric "accuracy", %accuracy : tensor<f64>
  return
}
)";

static std::string blockParameters() {
  return param("wte", "7, 4") + param("wpe", "3, 4") + param("h.#.ln", "4", 2) + param("h.#.qkv", "3, 2, 2, 4", 2) +
         param("h.#.proj", "4, 2, 2", 2) + param("h.#.fc", "5, 4", 2) + param("h.#.fc.bias", "5", 2) +
         param("h.#.fc2", "4, 5", 2);
}

static std::vector<Tensor> blockInputs() {
  Tensor tokens(llvm::ArrayRef<int64_t>{2, 3}), targets = tokens;
  tokens.data = {1, 6, 0, 3, 3, 5};
  targets.data = {6, 0, -100, 3, 5, 2};
  return {tokens, targets};
}

/// Norms, attention, dropout and products are computed again: the same gradients, and a layer saves its argument alone.
TEST(Transformer, WithACheckpoint) {
  std::string marked = block;
  auto mark = [&](const std::string &before, const std::string &after) {
    size_t at = marked.find(before);
    ASSERT_NE(at, std::string::npos) << before;
    for (; at != std::string::npos; at = marked.find(before, at + after.size()))
      marked.replace(at, before.size(), after);
  };
  mark("{eps = ", "{colo.recompute, eps = ");
  mark("{scale = ", "{colo.recompute, scale = ");
  mark("{rate = ", "{colo.recompute, rate = ");
  mark("{tanh}", "{colo.recompute, tanh}");
  for (std::string operands : {"%a, %wqkv", "%o, %wo", "%n2, %w1", "%act, %w2", "%n, %gb", "%x, %pd", "%f, %bb"})
    mark(operands + " :", operands + " {colo.recompute} :");
  checkGradients(blockParameters() + marked, blockInputs());

  Program program(blockParameters() + marked);
  program.runPasses("colo-autodiff");
  auto forward = program.getModule().lookupSymbol<mlir::func::FuncOp>("Block.fwd");
  ASSERT_TRUE(forward);
  EXPECT_EQ(forward.getNumResults(), 2u);
  program.getModule().walk([](mlir::Operation *op) { EXPECT_FALSE(op->hasAttr("colo.recompute")); });
}

TEST(Transformer, WithTiedHead) {
  std::string parameters = blockParameters();
  Tensor tokens = blockInputs()[0], targets = blockInputs()[1];
  checkGradients(parameters + block, {tokens, targets});
  checkGradients(parameters + block, {tokens, targets}, 0.0, 2.0);

  Program program(parameters + block);
  program.runPasses("colo-autodiff");
  EXPECT_EQ(program.run(program.machine(), {tokens, targets}, "count").counts,
            (std::map<int64_t, double>{{0, 5.0}, {1, 5.0}}));
}
