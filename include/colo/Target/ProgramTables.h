//===- ProgramTables.h - what an executable says of itself -----*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The contents of `colo_program`, in the structs of the binary interface where
// these hold no pointers and in owning twins where they do. Passes fill it;
// emitProgram writes it. Field meanings: include/colo/Runtime/Program.h.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TARGET_PROGRAMTABLES_H
#define COLO_TARGET_PROGRAMTABLES_H

#include "colo/Runtime/Program.h"
#include "mlir/IR/BuiltinOps.h"
#include <string>
#include <vector>

namespace colo {

/// A struct of the binary interface and the string that its pointer will point at; the struct's own pointer is ignored.
template <typename T> struct Named {
  std::string name;
  T fields{};
};

/// One place that communicates: a kind of collective, its place in the source and in a step, the index of its
/// communicator, the bytes of its buffer, its executions in a step.
struct SiteTable {
  std::string kind, source, phase;
  int32_t comm = -1;
  int64_t bytes = 0, perStep = 0;
};

/// Everything that `colo_program` points to.
struct ProgramTables {
  std::string model, build, plan;
  /// Scalars of ColoProgram, `abi` and `optimizer` included; pointers and counts are ignored.
  ColoProgram scalars{};
  std::vector<Named<ColoAxis>> axes;
  std::vector<Named<ColoParam>> params;
  std::vector<ColoSegment> segments;
  std::vector<Named<ColoComm>> comms;
  std::vector<Named<ColoGemm>> gemms; ///< name: `source`
  std::vector<Named<ColoInput>> inputs;
  std::vector<std::string> metrics;
  std::vector<SiteTable> sites;
  std::vector<ColoStage> stages;
  std::vector<Named<ColoAction>> actions; ///< name: `kind`
  std::vector<ColoPrediction> predictions;
  /// Names of the emitted functions.
  std::string step, evaluate;
};

/// Adds the constant `colo_program` and all it points to to a module of the
/// LLVM dialect. All of it is constant and hidden.
void emitProgram(mlir::ModuleOp module, const ProgramTables &tables);

} // namespace colo

#endif // COLO_TARGET_PROGRAMTABLES_H
