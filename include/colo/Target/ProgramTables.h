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
#include "llvm/ADT/StringExtras.h"
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

/// A kernel that a device's driver loads from the image.
struct KernelTable {
  std::string name, source;
  int32_t threads = 0, arguments = 0;
};

/// A kernel's name in an image, where only letters, digits and underscores stay as they are.
inline std::string imageName(llvm::StringRef kernel) {
  std::string name = kernel.str();
  for (char &letter : name)
    if (!llvm::isAlnum(letter) && letter != '_')
      letter = '$';
  return name;
}

/// The constant with the image, which is defined when the kernels have been translated.
inline constexpr llvm::StringLiteral kImageSymbol = "colo_image";

/// The constant with the names of the CPU's extensions, which is defined when the code for it is made.
inline constexpr llvm::StringLiteral kCpuFeaturesSymbol = "colo_cpu_features";

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
  /// The function of the runtime that makes a rank's device, and the constant with the image; empty for none.
  std::string device, image;
  std::vector<KernelTable> kernels;
};

/// Adds the constant `colo_program` and all it points to to a module of the
/// LLVM dialect. All of it is constant and hidden.
void emitProgram(mlir::ModuleOp module, const ProgramTables &tables);

} // namespace colo

#endif // COLO_TARGET_PROGRAMTABLES_H
