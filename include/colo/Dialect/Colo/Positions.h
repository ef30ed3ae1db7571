//===- Positions.h - where a part's elements lie in the whole -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The attribute `positions` of ops that implement PositionalOpInterface: a
// dictionary for each dim of the positioned shape, empty where the part is the
// whole. Its keys are these; the interface verifies that there are no others.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_COLO_POSITIONS_H
#define COLO_DIALECT_COLO_POSITIONS_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/StringRef.h"

namespace mlir {
class Operation;
} // namespace mlir

namespace colo::position {

/// Elements of the whole dim, without and with padding (i64).
inline constexpr llvm::StringLiteral kGlobal = "global", kPadded = "padded";
/// Mesh axes that cut it, major to minor (array of strings).
inline constexpr llvm::StringLiteral kAxes = "axes";
/// Where parts are not one run: the numbers of the blocks that each member's part is made of, member by member (array
/// of i64).
inline constexpr llvm::StringLiteral kBlocks = "blocks";
/// In a ring: whose part it is, that of the member so many turns before; and of two halves the one that dist.half says
/// (turns).
inline constexpr llvm::StringLiteral kBefore = "before", kHalf = "half";
/// Of a turn: its number, to which the round of the loop `loop` is added, 0 being the innermost (i64); in halves,
/// whether rows travel (unit).
inline constexpr llvm::StringLiteral kTurn = "turn", kLoop = "loop", kRowsTravel = "rows_travel";
/// The part is one block of so many elements `of` a member's, that of the round of the loop `loop` (i64).
inline constexpr llvm::StringLiteral kPart = "part", kOf = "of";

} // namespace colo::position

namespace colo {
/// Keys and kinds of values of `positions`; that what is looked up by number is one run.
mlir::LogicalResult verifyPositions(mlir::Operation *op);
} // namespace colo

#endif // COLO_DIALECT_COLO_POSITIONS_H
