//===- Program.h - colo programs for gradient tests -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A program is text with parameters; `check` differentiates it and compares
// with central differences, and with itself after decomposition.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TEST_GRADIENTS_PROGRAM_H
#define COLO_TEST_GRADIENTS_PROGRAM_H

#include "ColoInterpreter/ColoInterpreter.h"
#include "mlir/IR/OwningOpRef.h"

namespace colo::test {

/// Numbers that look random, the same in every run, in [low, high).
Tensor randomTensor(llvm::ArrayRef<int64_t> shape, uint64_t seed, double low = -1.0, double high = 1.0);

class Program {
public:
  /// Text of a module with an entry function; ends the process if it does not parse.
  explicit Program(const std::string &text);

  /// Runs passes given as in a pipeline string.
  void runPasses(const std::string &pipeline);
  /// Parameters of the module, filled from [low, high).
  Machine machine(double low = -1.0, double high = 1.0);
  Machine run(Machine machine, llvm::ArrayRef<Tensor> inputs, llvm::StringRef role = "entry");
  mlir::ModuleOp getModule() { return *module; }

private:
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

/// Differentiates the program, compares every gradient with central differences of the loss to 1e-6, and the loss, the
/// gradients and the counts with those of the decomposed program to 1e-12.
void checkGradients(const std::string &text, llvm::ArrayRef<Tensor> inputs, double low = -1.0, double high = 1.0);

/// A module whose loss is a random linear function of %out, an op's result computed by `body` from parameters.
struct OpCase {
  std::string name;
  std::vector<std::pair<std::string, std::string>> parameters; ///< name, type without "tensor<>"
  std::string body;
  std::string outType; ///< of %out, without "tensor<>"
  double low = -1.0, high = 1.0;
};
std::string moduleOf(const OpCase &test);
/// What an OpCase's module takes: the random function's coefficients.
std::vector<Tensor> inputsOf(const OpCase &test);

} // namespace colo::test

#endif // COLO_TEST_GRADIENTS_PROGRAM_H
