//===- Program.cpp - colo programs for gradient tests -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Parsing, passes, runs, and central differences.
//
//===----------------------------------------------------------------------===//

#include "Program.h"
#include "colo/Dialect/Colo/Passes.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/ADT/StringExtras.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace colo;
using namespace colo::test;

Tensor test::randomTensor(ArrayRef<int64_t> shape, uint64_t seed, double low, double high) {
  Tensor tensor(shape);
  uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  for (double &x : tensor.data) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    x = low + (high - low) * static_cast<double>(state >> 11) / 9007199254740992.0;
  }
  return tensor;
}

Program::Program(const std::string &text) : context(std::make_unique<MLIRContext>()) {
  context->loadDialect<ColoDialect, func::FuncDialect>();
  context->disableMultithreading();
  module = parseSourceString<ModuleOp>(text, context.get());
  if (!module)
    llvm::report_fatal_error("the test's program does not parse");
}

void Program::runPasses(const std::string &pipeline) {
  static bool registered = (registerColoPasses(), true);
  (void)registered;
  PassManager manager(context.get());
  if (failed(parsePassPipeline(pipeline, manager)) || failed(manager.run(*module)))
    llvm::report_fatal_error("the test's passes fail");
}

Machine Program::machine(double low, double high) {
  Machine machine;
  machine.seed = 12345;
  machine.step = 7;
  machine.firstRow = 5;
  uint64_t number = 1;
  for (auto param : module->getOps<ParamOp>()) {
    Shape shape(cast<RankedTensorType>(param.getType()).getShape());
    if (param.getLayers() > 1)
      shape.insert(shape.begin(), param.getLayers());
    machine.parameters[param.getSymName().str()] = randomTensor(shape, number++, low, high);
  }
  for (int64_t term = 0; term < 8; ++term)
    machine.inverseCounts[term] = 1.0 / (3.0 + term);
  return machine;
}

Machine Program::run(Machine machine, ArrayRef<Tensor> inputs, StringRef role) {
  Interpreter(*module, machine).runRole(role, inputs);
  return machine;
}

//===----------------------------------------------------------------------===//
// Comparisons
//===----------------------------------------------------------------------===//

static double largest(const Tensor &x) {
  double value = 0.0;
  for (double element : x.data)
    value = std::max(value, std::fabs(element));
  return value;
}

static void compareWithDifferences(Program &program, const Machine &start, ArrayRef<Tensor> inputs,
                                   const Machine &result) {
  const double step = 1e-4;
  for (const auto &[name, parameter] : start.parameters) {
    Tensor expected(parameter.shape);
    for (int64_t i = 0; i < parameter.size(); ++i) {
      double loss[2];
      for (int side = 0; side < 2; ++side) {
        Machine moved = start;
        moved.parameters[name][i] += side ? step : -step;
        loss[side] = program.run(moved, inputs).metrics.at("loss");
      }
      expected[i] = (loss[1] - loss[0]) / (2.0 * step);
    }
    auto found = result.gradients.find(name);
    Tensor gradient = found == result.gradients.end() ? Tensor(parameter.shape) : found->second;
    double tolerance = 1e-6 * std::max(1.0, largest(expected));
    for (int64_t i = 0; i < parameter.size(); ++i)
      EXPECT_NEAR(gradient[i], expected[i], tolerance) << "parameter " << name << ", element " << i;
  }
}

static void compareMachines(const Machine &a, const Machine &b) {
  EXPECT_EQ(a.metrics.size(), b.metrics.size());
  for (const auto &[name, value] : a.metrics)
    EXPECT_NEAR(value, b.metrics.at(name), 1e-12 * std::max(1.0, std::fabs(value))) << "metric " << name;
  ASSERT_EQ(a.gradients.size(), b.gradients.size());
  for (const auto &[name, gradient] : a.gradients) {
    double tolerance = 1e-12 * std::max(1.0, largest(gradient));
    for (int64_t i = 0; i < gradient.size(); ++i)
      EXPECT_NEAR(gradient[i], b.gradients.at(name)[i], tolerance) << "parameter " << name << ", element " << i;
  }
  EXPECT_EQ(a.counts, b.counts);
}

void test::checkGradients(const std::string &text, ArrayRef<Tensor> inputs, double low, double high) {
  Program program(text);
  program.runPasses("colo-autodiff");
  Machine start = program.machine(low, high);
  Machine result = program.run(start, inputs);
  Machine counts = program.run(start, inputs, "count"), evaluation = program.run(start, inputs, "evaluate");
  EXPECT_FALSE(result.gradients.empty());
  compareWithDifferences(program, start, inputs, result);

  Program decomposed(text);
  decomposed.runPasses("colo-autodiff,colo-decompose,colo-decompose-attention");
  decomposed.getModule().walk([](DecomposeOpInterface op) { ADD_FAILURE() << op->getName().getStringRef().str(); });
  compareMachines(result, decomposed.run(start, inputs));
  compareMachines(counts, decomposed.run(start, inputs, "count"));
  compareMachines(evaluation, decomposed.run(start, inputs, "evaluate"));
}

//===----------------------------------------------------------------------===//
// One op
//===----------------------------------------------------------------------===//

static Shape shapeOfText(StringRef type) {
  SmallVector<StringRef> parts;
  type.split(parts, 'x');
  Shape shape;
  for (StringRef part : ArrayRef<StringRef>(parts).drop_back()) {
    int64_t size = 0;
    part.getAsInteger(10, size);
    shape.push_back(size);
  }
  return shape;
}

std::string test::moduleOf(const OpCase &test) {
  std::string text = "module attributes {colo.model = \"M\"} {\n", refs;
  for (const auto &[name, type] : test.parameters) {
    std::string sizes =
        llvm::join(llvm::map_range(shapeOfText(type), [](int64_t d) { return std::to_string(d); }), ", ");
    std::string dims = sizes.empty() ? "array<i64>" : "array<i64: " + sizes + ">";
    text += "colo.param @" + name + " : tensor<" + type + "> {logical_shape = " + dims + ", file_shape = " + dims +
            ", init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}\n";
    refs += "%" + name + " = colo.param_ref @" + name + " : tensor<" + type + ">\n";
  }
  std::string out = "tensor<" + test.outType + ">";
  text += "func.func @M(%coefficients: " + out +
          " {colo.input = \"c\"}, %ids: tensor<2x3xi32> {colo.input = \"ids\"}) " +
          "attributes {colo.role = \"entry\"} {\n" + refs + test.body + "\n";
  text += "%loss = colo.weighted_mean %out, %coefficients : " + out + ", " + out + " -> tensor<f64>\n";
  return text + "colo.metric \"loss\", %loss : tensor<f64>\nreturn\n}\n}\n";
}

std::vector<Tensor> test::inputsOf(const OpCase &test) {
  Tensor ids(ArrayRef<int64_t>{2, 3});
  ids.data = {1, 4, -100, 0, 4, 2};
  return {randomTensor(shapeOfText(test.outType), 99), ids};
}
