//===- KernelRunner.h - runs colo functions as compiled kernels -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiles the kernels of one function to machine code and runs them, and
// interprets the same function op by op. Gradients that the function adds to
// parameters count as results, after what it returns.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TEST_KERNELS_KERNELRUNNER_H
#define COLO_TEST_KERNELS_KERNELRUNNER_H

#include "ColoInterpreter/ColoInterpreter.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include <random>

namespace colo::test {

struct RunOptions {
  int64_t pad = 0;         ///< elements added to the stride of every dim but the last
  bool accumulate = false; ///< destinations hold 1.0 before
  bool rowByRow = false;   ///< one call for each row, last row first
  bool gpu = false;        ///< gpu.func bodies in the emulator; rows are blocks
  bool onlyInterpret = false;
};

class KernelRunner {
public:
  /// `text` is a function body's module; fails the test and stays empty if it does not compile.
  explicit KernelRunner(const std::string &text, RunOptions options = {});

  std::vector<Tensor> interpret(llvm::ArrayRef<Tensor> inputs, const Machine &machine);
  std::vector<Tensor> run(llvm::ArrayRef<Tensor> inputs, const Machine &machine);
  int64_t kernelCount();

private:
  void compile();
  mlir::func::FuncOp host(mlir::ModuleOp module);
  std::vector<Tensor> walk(mlir::ModuleOp module, llvm::ArrayRef<Tensor> inputs, const Machine &machine);
  std::vector<Tensor> launch(mlir::Operation *op, llvm::ArrayRef<Tensor> tensors, llvm::ArrayRef<int64_t> scalars);

  RunOptions options;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> original, formed, lowered;
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

/// Rank 1 of two along "tp", in step 3.
Machine testMachine();

/// Tensors of f32's numbers between -bound and bound.
std::vector<Tensor> randomTensors(llvm::ArrayRef<Shape> shapes, std::mt19937 &engine, double bound);

/// Fails the test where an element differs by more than `tolerance` times the largest of its tensor, at least 1.
void expectNear(llvm::ArrayRef<Tensor> found, llvm::ArrayRef<Tensor> expected, double tolerance);

} // namespace colo::test

#endif // COLO_TEST_KERNELS_KERNELRUNNER_H
