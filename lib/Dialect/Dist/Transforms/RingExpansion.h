//===- RingExpansion.h - attention as turns of a ring -----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the expansions of attention and of its gradients share: members, turns,
// halves, messages. ExpandRing.cpp says what they compute.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_DIALECT_DIST_TRANSFORMS_RINGEXPANSION_H
#define COLO_LIB_DIALECT_DIST_TRANSFORMS_RINGEXPANSION_H

#include "Blocks.h"
#include "colo/Dialect/Colo/TensorBuilder.h"
#include "colo/Dialect/Dist/DistDialect.h"
#include "colo/Dialect/Dist/Sharding.h"

namespace colo::dist {

/// The dims of attention's positions that are rows and keys, and those of its tensors.
inline constexpr unsigned kRows = 2, kKeys = 3;
inline constexpr int64_t kSequenceDim = 1, kStatisticsDim = 2;

/// The axes over which the keys of an attention are cut: its ring.
inline mlir::ArrayAttr ringAxes(mlir::ArrayAttr positions) {
  return positions ? mlir::cast<mlir::DictionaryAttr>(positions[kKeys]).getAs<mlir::ArrayAttr>(position::kAxes)
                   : mlir::ArrayAttr();
}

/// The number of a turn, with that of the round added in a loop.
struct Turn {
  int64_t first;
  bool loops = false;
};

/// A half of what a member holds: 0 or 1, or in a turn the one that `dist.half` says. Or all of it.
struct Half {
  enum Kind { All, Fixed, Like } kind;
  int64_t number = -1;
  Turn turn = {0};
  bool rowsTravel = false;

  static Half all() { return {All}; }
  static Half of(int64_t number) { return {Fixed, number}; }
  static Half like(Turn turn, bool rowsTravel) { return {Like, -1, turn, rowsTravel}; }
};

/// One product of a turn: some rows with some keys.
struct Product {
  Half rows, keys;
  bool causal;
};

/// What is known of a row: its query and, backward, the gradient and two numbers.
struct Rows {
  mlir::Value query, gradient, lse, delta;
};

/// Output so far of some rows. Where attention itself merges it, `maximum` is their log-sum-exp and there is no sum.
struct Merged {
  mlir::Value maximum, sum, output;
};

/// Gradients so far of query, key and value, in one part or by halves.
struct GradientSums {
  llvm::SmallVector<mlir::Value> query, key, value;
};

/// What the two gradients and the forward op share.
class RingExpansion {
public:
  /// `isWhole`: kernels of attention take what the turns before made, and leave out keys that come later.
  RingExpansion(mlir::Operation *op, mlir::ArrayAttr positions, bool causal, bool isWhole, const Mesh &mesh);

  llvm::SmallVector<mlir::Value> expand(AttentionOp op);
  llvm::SmallVector<mlir::Value> expand(AttentionGradOp op);
  llvm::SmallVector<mlir::Value> gather(AttentionOp op);
  llvm::SmallVector<mlir::Value> gather(AttentionGradOp op);

private:
  // Messages.
  mlir::Value stack(mlir::Value key, mlir::Value value);
  std::pair<mlir::Value, mlir::Value> unstack(mlir::Value pair);
  mlir::Value pack(const Rows &rows);
  Rows unpack(mlir::Value message, int64_t size);
  mlir::Value pass(mlir::Value message, llvm::StringRef what);
  mlir::Value passIf(bool condition, mlir::Value message, llvm::StringRef what) {
    return condition && message ? pass(message, what) : mlir::Value();
  }

  // Turns.
  llvm::SmallVector<Product> productsOf(Turn turn, bool rowsTravel);
  void runTurns(int64_t first, int64_t last, llvm::ArrayRef<mlir::Value *> carried, llvm::ArrayRef<mlir::Value *> read,
                llvm::function_ref<void(Turn)> makeTurn);
  void runForeignTurns(llvm::ArrayRef<mlir::Value *> carried, llvm::ArrayRef<mlir::Value *> read,
                       llvm::function_ref<void(Turn, bool)> makeTurn);
  mlir::Value roundOf(Turn turn);
  mlir::DictionaryAttr describe(Turn turn, bool rowsTravel = false);
  mlir::Value take(mlir::Value value, const Half &half, int64_t dim);
  mlir::Value takeMask(mlir::Value mask, const Half &half) { return mask ? take(mask, half, kSequenceDim) : mask; }
  mlir::DictionaryAttr place(unsigned dim, const Half &half, Turn turn);
  mlir::ArrayAttr positionsOf(const Product &product, Turn rowTurn, Turn keyTurn);
  mlir::Value isIn(const Half &half, int64_t number, llvm::ArrayRef<int64_t> shape);

  // Loops.
  void addGradients(AttentionGradOp op, const Rows &rows, mlir::Value pair, mlir::Value mask, const Product &product,
                    Turn rowTurn, Turn keyTurn, GradientSums &sums);
  /// The type of what turns add up of values like this one.
  static mlir::RankedTensorType wideType(mlir::Value value) {
    return withShape(arithmeticType(mlir::getElementTypeOrSelf(value)), TensorBuilder::shapeOf(value));
  }
  llvm::SmallVector<mlir::Value> narrowed(AttentionGradOp op, llvm::ArrayRef<mlir::Value> sums);
  void merge(Merged &state, mlir::Value output, mlir::Value lse);
  void mergeInto(llvm::SmallVector<Merged> &states, const Half &rows, mlir::Value output, mlir::Value lse);
  void addTo(llvm::SmallVector<mlir::Value> &parts, const Half &half, mlir::Value value, int64_t dim);
  llvm::SmallVector<mlir::Value> ringOfKeys(AttentionGradOp op);
  llvm::SmallVector<mlir::Value> ringOfRows(AttentionGradOp op);
  llvm::SmallVector<mlir::Value> emptyParts() { return llvm::SmallVector<mlir::Value>(isBalanced ? 2 : 1); }
  mlir::Value whole(llvm::ArrayRef<mlir::Value> parts, int64_t dim) { return joinBlocks(builder, parts, dim); }

  /// A value a row [b,a,s] beside each element of an output [b,s,a,D].
  mlir::Value perElement(mlir::Value row, mlir::Value output) {
    return b.broadcastTrailing(b.transpose(row, {0, 2, 1}), TensorBuilder::shapeOf(output));
  }
  mlir::Value plus(mlir::Value sum, mlir::Value value) { return sum ? b.add(sum, value) : value; }

  // Reference.
  mlir::Value gatherDim(mlir::Value part, int64_t dim);
  mlir::Value gatherMask(mlir::Value mask) { return mask ? gatherDim(mask, kSequenceDim) : mask; }
  mlir::ArrayAttr positionsOfWholeKeys();

  mlir::OpBuilder builder;
  mlir::Location loc;
  TensorBuilder b;
  const Mesh &mesh;
  mlir::ArrayAttr positions, axes;
  bool causal, isWhole, isBalanced;
  int64_t members = 1;
  llvm::SmallVector<int64_t> sources; ///< every member receives from the one before
  llvm::SmallVector<int64_t> blocks;  ///< those that each member holds, if its part is no run
};

} // namespace colo::dist

#endif // COLO_LIB_DIALECT_DIST_TRANSFORMS_RINGEXPANSION_H
