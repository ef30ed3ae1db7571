//===- CompareModes.h - what each parallel mode would cost -----*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One model and one global batch on one number of ranks: every tensor group
// whose size divides the world is planned without a pipeline, the rest of the
// ranks being replicas.
// A plan is that of --plan for the same group.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_TOOLS_COMPAREMODES_H
#define COLO_LIB_TOOLS_COMPAREMODES_H

#include "colo/Dialect/Dist/Policy.h"
#include "colo/Frontend/Config.h"
#include "colo/Plan/Plan.h"
#include "mlir/IR/OwningOpRef.h"

namespace colo {

struct ModeRow {
  dist::ShardingOptions group;
  int64_t replicas = 1;
  std::optional<Plan> plan; ///< nothing if the mode is not legal for the model
  std::string reason;       ///< why not
};

class ModeComparison {
public:
  /// Makes the global program of a configuration, or says why not.
  using Importer = llvm::function_ref<mlir::OwningOpRef<mlir::ModuleOp>(const ParallelConfig &, std::string &reason)>;

  /// `config` has a known world, which its own layout divides; `algorithm` as in CompileRequest.
  ModeComparison(mlir::MLIRContext &context, const ParallelConfig &config, llvm::StringRef algorithm, Importer import);

  void printText(llvm::raw_ostream &os) const;
  void printJSON(llvm::raw_ostream &os) const;

  llvm::ArrayRef<ModeRow> getRows() const { return rows; }
  /// A phase that no input can make fail has failed.
  bool isInternalError() const { return internalError; }

private:
  ModeRow compare(const dist::ShardingOptions &group);
  void plan(const ParallelConfig &config, ModeRow &row);

  mlir::MLIRContext &context;
  const ParallelConfig &config;
  std::string algorithm;
  Importer import;
  int64_t globalRows = 0;   ///< of one step
  int64_t microBatches = 0; ///< of one replica's step
  bool internalError = false;
  std::vector<ModeRow> rows;
};

} // namespace colo

#endif // COLO_LIB_TOOLS_COMPAREMODES_H
