//===- OpsTest.cpp - the adjoint of every op against differences -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sizes are odd and distinct, so that no dim can pass for another.
//
//===----------------------------------------------------------------------===//

#include "Program.h"
#include <gtest/gtest.h>

using namespace colo::test;

static std::ostream &operator<<(std::ostream &stream, const OpCase &test) { return stream << test.name; }

class OpGradient : public testing::TestWithParam<OpCase> {};

TEST_P(OpGradient, EqualsDifferences) {
  checkGradients(moduleOf(GetParam()), inputsOf(GetParam()), GetParam().low, GetParam().high);
}

static std::string nameOf(const testing::TestParamInfo<OpCase> &info) { return info.param.name; }

static OpCase unary(std::string name, std::string op, double low = -2.0, double high = 2.0) {
  return {name, {{"x", "3x5xf64"}}, "%out = colo." + op + " : tensor<3x5xf64>", "3x5xf64", low, high};
}

INSTANTIATE_TEST_SUITE_P(
    Unary, OpGradient,
    testing::Values(unary("neg", "neg %x"), unary("abs", "abs %x"), unary("exp", "exp %x"),
                    unary("log", "log %x", 0.5, 3.0), unary("sqrt", "sqrt %x", 0.5, 3.0),
                    unary("rsqrt", "rsqrt %x", 0.5, 3.0), unary("cos", "cos %x"), unary("sin", "sin %x"),
                    unary("tanh", "tanh %x"), unary("sigmoid", "sigmoid %x"), unary("erf", "erf %x"),
                    unary("relu", "relu %x"), unary("silu", "silu %x"), unary("gelu", "gelu %x"),
                    unary("gelu_tanh", "gelu %x {tanh}"), unary("power_2", "power %x {exponent = 2.0 : f64}"),
                    unary("power_1", "power %x {exponent = 1.0 : f64}"),
                    unary("power_fraction", "power %x {exponent = 1.7 : f64}", 0.5, 3.0),
                    unary("dropout", "dropout %x {rate = 0.3 : f64, id = 3 : i64}"), unary("softmax", "softmax %x"),
                    unary("log_softmax", "softmax %x {logarithm}")),
    nameOf);

static OpCase binary(std::string name, std::string body, double low = -2.0, double high = 2.0) {
  return {name, {{"x", "3x5xf64"}, {"y", "3x5xf64"}}, body, "3x5xf64", low, high};
}

INSTANTIATE_TEST_SUITE_P(
    Binary, OpGradient,
    testing::Values(binary("add", "%out = colo.add %x, %y : tensor<3x5xf64>"),
                    binary("sub", "%out = colo.sub %x, %y : tensor<3x5xf64>"),
                    binary("mul", "%out = colo.mul %x, %y : tensor<3x5xf64>"),
                    binary("square", "%p = colo.add %x, %y : tensor<3x5xf64>\n"
                                     "%out = colo.mul %p, %p : tensor<3x5xf64>"),
                    binary("div", "%out = colo.div %x, %y : tensor<3x5xf64>", 0.5, 3.0),
                    binary("maximum", "%out = colo.maximum %x, %y : tensor<3x5xf64>"),
                    binary("select",
                           "%m = colo.compare lt, %x, %y : tensor<3x5xf64>, tensor<3x5xf64> -> tensor<3x5xi1>\n"
                           "%p = colo.mul %x, %y : tensor<3x5xf64>\n"
                           "%out = colo.select %m, %p, %y : tensor<3x5xi1>, tensor<3x5xf64>, tensor<3x5xf64> -> "
                           "tensor<3x5xf64>"),
                    binary("random_choice",
                           "%r = colo.random {id = 4 : i64} : tensor<3x5xf64>\n"
                           "%h = colo.constant 0.5 : tensor<3x5xf64>\n"
                           "%m = colo.compare lt, %r, %h : tensor<3x5xf64>, tensor<3x5xf64> -> tensor<3x5xi1>\n"
                           "%p = colo.mul %x, %r : tensor<3x5xf64>\n"
                           "%out = colo.select %m, %p, %y : tensor<3x5xi1>, tensor<3x5xf64>, tensor<3x5xf64> -> "
                           "tensor<3x5xf64>"),
                    binary("used_thrice", "%e = colo.exp %x : tensor<3x5xf64>\n"
                                          "%a = colo.mul %e, %y : tensor<3x5xf64>\n"
                                          "%b = colo.add %a, %e : tensor<3x5xf64>\n"
                                          "%out = colo.mul %b, %e : tensor<3x5xf64>")),
    nameOf);

static OpCase shaped(std::string name, std::string type, std::string op, std::string outType) {
  return {name, {{"x", type}}, "%out = colo." + op + " : tensor<" + type + "> -> tensor<" + outType + ">", outType};
}

INSTANTIATE_TEST_SUITE_P(
    Shape, OpGradient,
    testing::Values(
        shaped("broadcast", "3x5xf64", "broadcast %x {dims = array<i64: 1, 3>}", "2x3x7x5xf64"),
        shaped("broadcast_scalar", "f64", "broadcast %x {dims = array<i64>}", "2x3xf64"),
        shaped("reduce_sum", "2x3x5xf64", "reduce %x {kind = 0 : i32, dims = array<i64: 0, 2>}", "3xf64"),
        shaped("reduce_max", "2x3x5xf64", "reduce %x {kind = 1 : i32, dims = array<i64: 1>}", "2x5xf64"),
        shaped("transpose", "2x3x5xf64", "transpose %x {permutation = array<i64: 2, 0, 1>}", "5x2x3xf64"),
        shaped("reshape", "2x3x5xf64", "reshape %x", "6x5xf64"),
        shaped("slice", "7x5xf64", "slice %x {offsets = array<i64: 1, 2>, strides = array<i64: 2, 1>}", "3x2xf64"),
        shaped("pad", "3x2xf64", "pad %x {offsets = array<i64: 1, 2>, strides = array<i64: 2, 1>}", "7x5xf64"),
        OpCase{"concat",
               {{"x", "2x3xf64"}, {"y", "2x4xf64"}, {"z", "2x1xf64"}},
               "%out = colo.concat %x, %y, %z {dim = 1 : i64} : (tensor<2x3xf64>, tensor<2x4xf64>, tensor<2x1xf64>) "
               "-> tensor<2x8xf64>",
               "2x8xf64"},
        OpCase{"split_and_used_apart",
               {{"x", "2x7xf64"}},
               "%e = colo.exp %x : tensor<2x7xf64>\n"
               "%a = colo.slice %e {offsets = array<i64: 0, 0>, strides = array<i64: 1, 1>} : tensor<2x7xf64> -> "
               "tensor<2x3xf64>\n"
               "%b = colo.slice %e {offsets = array<i64: 0, 3>, strides = array<i64: 1, 1>} : tensor<2x7xf64> -> "
               "tensor<2x4xf64>\n"
               "%c = colo.tanh %a : tensor<2x3xf64>\n"
               "%out = colo.concat %b, %c {dim = 1 : i64} : (tensor<2x4xf64>, tensor<2x3xf64>) -> tensor<2x7xf64>",
               "2x7xf64"}),
    nameOf);

static OpCase product(std::string name, std::string spec, std::string a, std::string b, std::string out) {
  return {name,
          {{"x", a}, {"y", b}},
          "%out = colo.einsum \"" + spec + "\", %x, %y : tensor<" + a + ">, tensor<" + b + "> -> tensor<" + out + ">",
          out};
}

INSTANTIATE_TEST_SUITE_P(
    Einsum, OpGradient,
    testing::Values(product("linear", "bsh,oh->bso", "2x3x5xf64", "7x5xf64", "2x3x7xf64"),
                    product("input_major", "bh,ho->bo", "2x5xf64", "5x7xf64", "2x7xf64"),
                    product("fused_heads", "bsh,kadh->bskad", "2x3x5xf64", "3x2x7x5xf64", "2x3x3x2x7xf64"),
                    product("two_contracted", "bsad,had->bsh", "2x3x5x7xf64", "4x5x7xf64", "2x3x4xf64"),
                    product("batched", "bsad,btad->bast", "2x3x5x4xf64", "2x7x5x4xf64", "2x5x3x7xf64"),
                    product("outer", "i,j->ij", "3xf64", "5xf64", "3x5xf64"),
                    product("elementwise", "ij,ij->ij", "3x5xf64", "3x5xf64", "3x5xf64"),
                    product("dot", "i,i->", "5xf64", "5xf64", "f64")),
    nameOf);

INSTANTIATE_TEST_SUITE_P(
    Rows, OpGradient,
    testing::Values(
        OpCase{"layer_norm",
               {{"x", "2x3x7xf64"}},
               "%out, %m, %r = colo.layer_norm %x {eps = 1.0e-3 : f64} : tensor<2x3x7xf64> -> tensor<2x3x7xf64>, "
               "tensor<2x3xf64>, tensor<2x3xf64>",
               "2x3x7xf64"},
        OpCase{"embedding",
               {{"x", "5x7xf64"}},
               "%out = colo.embedding %x, %ids : tensor<5x7xf64>, tensor<2x3xi32> -> tensor<2x3x7xf64>",
               "2x3x7xf64"}),
    nameOf);

static OpCase crossEntropy(std::string name, int padded, int classes, std::string smoothing) {
  std::string logits = "2x3x" + std::to_string(padded) + "xf64";
  return {name,
          {{"x", logits}},
          "%out, %w, %lse = colo.cross_entropy %x, %ids {classes = " + std::to_string(classes) +
              " : i64, ignore_index = -100 : i64, label_smoothing = " + smoothing + " : f64} : tensor<" + logits +
              ">, tensor<2x3xi32> -> tensor<2x3xf64>, tensor<2x3xf64>, tensor<2x3xf64>",
          "2x3xf64"};
}

INSTANTIATE_TEST_SUITE_P(CrossEntropy, OpGradient,
                         testing::Values(crossEntropy("plain", 7, 7, "0.0"), crossEntropy("padded", 7, 5, "0.0"),
                                         crossEntropy("smoothed", 7, 7, "0.1"),
                                         crossEntropy("padded_and_smoothed", 7, 5, "0.1")),
                         nameOf);

/// `valid`, if any, is a comparison of %ids, [1, 4, -100] and [0, 4, 2], which says which of 3 keys may be read.
static OpCase attention(std::string name, int rows, int keys, int keyHeads, std::string attributes,
                        std::string valid = "") {
  std::string q = "2x" + std::to_string(rows) + "x6x5xf64", lse = "2x6x" + std::to_string(rows) + "xf64";
  std::string k = "2x" + std::to_string(keys) + "x" + std::to_string(keyHeads) + "x5xf64";
  std::string mask = valid.empty() ? "" : " mask %mask : tensor<2x3xi1>", compared;
  if (!valid.empty())
    compared = "%bound = colo.constant 1.0 : tensor<2x3xi32>\n%mask = colo.compare " + valid +
               ", %ids, %bound : tensor<2x3xi32>, tensor<2x3xi32> -> tensor<2x3xi1>\n";
  return {name,
          {{"q", q}, {"k", k}, {"v", k}},
          compared + "%out, %lse = colo.attention %q, %k, %v" + mask + " {scale = 0.4 : f64" + attributes +
              "} : tensor<" + q + ">, tensor<" + k + ">, tensor<" + k + "> -> tensor<" + q + ">, tensor<" + lse + ">",
          q};
}

INSTANTIATE_TEST_SUITE_P(
    Attention, OpGradient,
    testing::Values(attention("full", 3, 4, 6, ""), attention("causal", 4, 4, 6, ", causal"),
                    attention("grouped", 3, 4, 2, ""), attention("one_key_head", 3, 3, 1, ", causal"),
                    attention("with_dropout", 3, 4, 6, ", dropout = 0.3 : f64, id = 9 : i64"),
                    attention("grouped_causal_with_dropout", 4, 4, 3, ", causal, dropout = 0.3 : f64, id = 9 : i64"),
                    attention("masked", 4, 3, 6, "", "ge"), attention("masked_causal", 3, 3, 6, ", causal", "eq"),
                    attention("masked_grouped_with_dropout", 4, 3, 2, ", dropout = 0.3 : f64, id = 9 : i64", "le")),
    nameOf);

TEST(MaximumGradient, IsSharedEvenlyByTies) {
  OpCase test = {"ties",
                 {{"x", "2x3xf64"}},
                 "%out = colo.reduce %x {kind = 1 : i32, dims = array<i64: 1>} : tensor<2x3xf64> -> tensor<2xf64>",
                 "2xf64"};
  Program program(moduleOf(test));
  program.runPasses("colo-autodiff");
  Machine machine = program.machine();
  machine.parameters["x"].data = {4.0, 1.0, 4.0, 5.0, 5.0, 5.0};
  std::vector<Tensor> inputs = inputsOf(test);
  inputs[0].data = {3.0, 9.0};
  Tensor gradient = program.run(machine, inputs).gradients.at("x");
  // Term 0 has the denominator 3.
  EXPECT_EQ(gradient.data, (std::vector<double>{0.5, 0.0, 0.5, 1.0, 1.0, 1.0}));
}

TEST(StopGradient, LetsNothingThrough) {
  OpCase test = {"stopped",
                 {{"x", "3xf64"}},
                 "%s = colo.stop_gradient %x : tensor<3xf64>\n"
                 "%out = colo.mul %x, %s : tensor<3xf64>",
                 "3xf64"};
  Program program(moduleOf(test));
  program.runPasses("colo-autodiff");
  Machine machine = program.machine();
  machine.parameters["x"].data = {4.0, 1.0, -2.0};
  std::vector<Tensor> inputs = inputsOf(test);
  inputs[0].data = {3.0, 3.0, 3.0};
  EXPECT_EQ(program.run(machine, inputs).gradients.at("x").data, (std::vector<double>{4.0, 1.0, -2.0}));
}
