//===- Model.h - from a model file to the colo dialect ---------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads a `.colo` file (docs/language.md) and builds the global program of one
// micro-batch (docs/design.md, section 1). Throws nothing; every problem is a
// diagnostic through the SourceMgr, at the user's file, line and column.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_FRONTEND_MODEL_H
#define COLO_FRONTEND_MODEL_H

#include "colo/Frontend/Config.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace colo {

struct ModelOptions {
  /// Rows of one micro-batch of one data-parallel replica.
  int64_t batch = 1;
  /// Where the config says how many; invalid for its default.
  llvm::SMLoc batchLoc{};
  /// Compute in f64 instead of f32, inputs included.
  bool f64 = false;
  /// The class to build; empty: the file's only Model.
  std::string modelName;
  /// Values of the Model's parameters from the config's `model=dict(...)` and
  /// from `-D`; their locations lie in other buffers of the same SourceMgr, or
  /// are invalid.
  std::map<std::string, ModelDefine> defines;
  /// Well-formed patterns (llvm::GlobPattern) of exported parameter names, such
  /// as "h.3.ln_1.weight": what one matches gets `decay = false`. One that
  /// matches no parameter, or a part of the layers that are one colo.param, is
  /// an error at its location.
  std::vector<Sourced<std::string>> decayExempt;
};

/// Parses buffer `bufferId` and prints its syntax tree, one statement a line.
/// Returns false after an error.
bool printModelAst(llvm::SourceMgr &sources, unsigned bufferId, llvm::raw_ostream &os);

/// Parses buffer `bufferId` and imports its Model into a verified module of
/// the colo and func dialects, which it loads into `context`. Adds a buffer
/// with the standard layers to `sources`. Null after an error; warnings are
/// reported and do not stop it.
mlir::OwningOpRef<mlir::ModuleOp> importModel(mlir::MLIRContext &context, llvm::SourceMgr &sources, unsigned bufferId,
                                              const ModelOptions &options);

} // namespace colo

#endif // COLO_FRONTEND_MODEL_H
