//===- colo-opt.cpp - run passes on any phase's IR -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Tools/Registry.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  colo::registerAllDialects(registry);
  colo::registerAllPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "colo optimizer\n", registry));
}
