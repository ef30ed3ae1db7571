//===- Clusters.h - which ops share a kernel -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Anchors are the values that a kernel computes for their own sake: reductions,
// values that ops outside kernels need in memory, and values that two kernels
// need and that would be dear to compute twice. Everything between anchors is
// computed again wherever it is read.
//
// A kernel is a set of anchors over common rows: the leading dims of all its
// loop nests. It reads its own anchors only in the row at hand, so rows are
// independent of each other. Two kinds do not mix: in a row kernel reductions
// run along the innermost memory dim and give one number a row; in a column
// kernel they run along outer dims and give a vector.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_CONVERSION_COLOTOLINALG_CLUSTERS_H
#define COLO_LIB_CONVERSION_COLOTOLINALG_CLUSTERS_H

#include "NestLoad.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace colo {

/// The loop nest that computes an anchor.
struct LoopNest {
  llvm::SmallVector<int64_t> sizes;
  llvm::SmallVector<bool> reduced; ///< one a loop
  ElementIndices result;           ///< the anchor's element
  ElementIndices operand;          ///< a reduction's operand element; empty for other anchors
  bool column = false;
  size_t rows = 0; ///< leading loops over rows: exact for reductions, at most for other anchors
};
LoopNest loopNestOf(mlir::Value anchor);

struct Kernel {
  llvm::SmallVector<mlir::Value> anchors; ///< in program order
  bool column = false;
  size_t rows = 0;
};

class Clustering {
public:
  /// Decides for one block of a host function.
  Clustering(mlir::Block &block, const KernelLimits &limits);

  llvm::ArrayRef<Kernel> getKernels() const { return kernels; }
  bool isAnchor(mlir::Value value) const { return anchors.contains(value); }
  /// Computed elsewhere: a value that is in memory when a kernel starts, or an anchor.
  bool isLeaf(mlir::Value value) const { return isAnchor(value) || !isKernelOp(value.getDefiningOp()); }
  /// Needed in memory by an op outside kernels (possibly through views).
  bool isRequired(mlir::Value value) const { return required.contains(value); }
  bool isHostView(mlir::Value value) const { return hostViews.contains(value); }

  using LeafCallback = llvm::function_ref<void(mlir::Value leaf, llvm::ArrayRef<mlir::AffineExpr> indices)>;
  using TableCallback = llvm::function_ref<void(mlir::Value table)>;
  /// Calls back for every leaf that computing `anchor` reads, once for each way of indexing it, and for every table in
  /// which it looks up rows.
  void walkLeaves(mlir::Value anchor, LeafCallback callback, TableCallback tableCallback = [](mlir::Value) {}) const;

private:
  struct Edge {
    mlir::Value leaf;
    size_t sameRows; ///< leading loops that index the leaf's leading dims unchanged
    bool isTable;    ///< any of its rows may be read, so all must be made before
  };
  /// What an anchor reads of one node.
  struct Source {
    int maker;       ///< the node, as numbered before merging
    size_t sameRows; ///< the least of the edges'
    bool isTable;    ///< any edge is
  };
  /// A host op or a set of anchors: what is executed as a unit.
  struct Node {
    llvm::SmallVector<mlir::Value> anchors;
    llvm::SetVector<int> successors; ///< as numbered before merging
    bool column = false;
    unsigned merges = 0; ///< that it took part in
  };

  void requireOperands(mlir::Block &block);
  void requireRepeated(BroadcastOp broadcast);
  void require(mlir::Value value, bool takesViews);
  /// Makes anchors of values in the middle of what would be too much for one nest.
  void cutExpressions(mlir::Block &block);
  void collectReductions(mlir::Block &block);
  bool promoteShared(mlir::Block &block);
  void cluster(mlir::Block &block);
  void buildGraph(mlir::Block &block);
  int nodeOfValue(mlir::Value value) const;
  int find(int node) const;
  bool tryMerge(int a, int b);
  bool merge(int a, int b);
  bool compatibleRows(const Node &a, const Node &b, size_t &rows) const;
  bool hasIndirectPath(int from, int to) const;
  void mergeConsumers();
  void mergeSiblings();
  void collectKernels();
  NestLoad loadOf(const Kernel &kernel) const;
  /// Cuts kernels that hold too much between their anchors.
  void cutKernels();

  KernelLimits limits;
  llvm::SetVector<mlir::Value> anchors;
  llvm::DenseSet<mlir::Value> required, hostViews;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<Edge>> edges;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<Source>> sources;
  /// Nodes that could not be merged, with the merges that they had taken part in.
  llvm::DenseMap<std::pair<int, int>, std::pair<unsigned, unsigned>> refused;
  llvm::DenseMap<mlir::Value, int> anchorNode;
  llvm::DenseMap<mlir::Operation *, int> hostNode;
  std::vector<Node> nodes;
  mutable std::vector<int> parent;
  std::vector<Kernel> kernels;
};

} // namespace colo

#endif // COLO_LIB_CONVERSION_COLOTOLINALG_CLUSTERS_H
