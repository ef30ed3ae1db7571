//===- Phases.h - the passes of a kernel over its rows -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Within a row, a reduction has to end before its value is read: that is a
// phase. Loop nests of one phase and one shape are one nest. A value that several
// phases need is kept in a row buffer if it is dear to compute and there is room,
// otherwise it is computed again.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_CONVERSION_COLOTOLINALG_PHASES_H
#define COLO_LIB_CONVERSION_COLOTOLINALG_PHASES_H

#include "Clusters.h"

namespace colo {

/// One loop nest and the values that it makes.
struct Phase {
  llvm::SmallVector<mlir::Value> items; ///< anchors and row buffers, in program order
  llvm::SmallVector<int64_t> sizes;
  llvm::SmallVector<bool> reduced;
};

class PhasePlan {
public:
  /// `rowBytes` is the room of all row buffers of a kernel; 0: each has its own.
  PhasePlan(const Clustering &clustering, const Kernel &kernel, int64_t rowBytes);

  llvm::ArrayRef<Phase> getPhases() const { return phases; }
  /// Made by a phase of this kernel.
  bool isItem(mlir::Value value) const { return levels.contains(value); }
  /// Made by another kernel or a host op.
  bool isInput(mlir::Value value) const { return clustering.isLeaf(value) && !isItem(value); }

private:
  void assignLevels();
  bool addRowBuffer();
  void groupPhases();

  const Clustering &clustering;
  const Kernel &kernel;
  int64_t rowBytes, keptBytes = 0;
  llvm::MapVector<mlir::Value, int> levels; ///< of items
  std::vector<Phase> phases;
};

} // namespace colo

#endif // COLO_LIB_CONVERSION_COLOTOLINALG_PHASES_H
