//===- Places.h - where a value lies -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A root is a stretch of memory: a temporary of the function's workspace, or
// part of a buffer that somebody else owns. A place is a strided window of a
// root; views of a value are other windows of its root and move nothing.
//
// Temporaries live from the op that writes them to the last op that reads any
// window of them. Two that live at one op do not overlap; offsets are multiples
// of 64 bytes. Packing is best fit, largest first (cf. 1907.01989, section 4).
//
//===----------------------------------------------------------------------===//

#ifndef COLO_CONVERSION_PLANBUFFERS_PLACES_H
#define COLO_CONVERSION_PLANBUFFERS_PLACES_H

#include "colo/Dialect/Rt/RtDialect.h"
#include <deque>
#include <optional>

namespace colo {

inline constexpr int64_t kAlignment = 64; // bytes
/// Bytes of which the start of what an activation of a product reads or writes beside the result is a multiple.
inline constexpr int64_t kLibraryAlignment = 16;

/// Bytes of the largest element; those of all others divide it.
inline constexpr int64_t kLargestElement = 8;

/// Bytes of one element in memory; masks take a byte.
int64_t elementBytes(mlir::Type type);
int64_t alignUp(int64_t value, int64_t multiple);

struct Root {
  mlir::Value base;             ///< the buffer
  bool temporary;               ///< then `base` is the workspace and `offset` is decided by the packing
  int64_t bytes = 0;            ///< of a temporary
  int64_t offset = 0;           ///< elements of `base` (bytes in the workspace)
  mlir::Value dynamic;          ///< further elements of `base`, may be null
  unsigned first = 0, last = 0; ///< op numbers of a temporary's life, inclusive
  llvm::SmallVector<rt::SlotOp, 2> slots;
};

struct Place {
  Root *root = nullptr;
  int64_t offset = 0;  ///< elements of this place's own type
  mlir::Value dynamic; ///< further elements, may be null
  /// Another root in which it lies at the same offset where `isOther` holds; null if it always lies in `root`.
  Root *other = nullptr;
  mlir::Value isOther;
  mlir::Type element;
  llvm::SmallVector<int64_t, 6> shape, strides;

  bool isContiguous() const;
  int64_t elements() const;
  /// Elements with the gaps behind its rows.
  int64_t span() const;
  /// Its dims from the outermost to the innermost in memory; dims of size 1 stay before the dim that they stand before.
  llvm::SmallVector<int64_t> memoryOrder() const;
  /// Offset 0; the identity layout where it is contiguous.
  mlir::MemRefType type() const;
};

llvm::SmallVector<int64_t, 6> contiguousStrides(llvm::ArrayRef<int64_t> shape);
/// Strides of memory without gaps whose dims lie in `order`, from the outermost on.
llvm::SmallVector<int64_t, 6> stridesInOrder(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> order);

/// The same elements under another shape, if strides can say it.
std::optional<Place> reshape(const Place &place, llvm::ArrayRef<int64_t> shape);
Place transpose(const Place &place, llvm::ArrayRef<int64_t> permutation);
/// The dims 0 to rank - 1 with `dim` moved to the front.
llvm::SmallVector<int64_t> frontOrder(size_t rank, int64_t dim);
Place slice(const Place &place, llvm::ArrayRef<int64_t> offsets, llvm::ArrayRef<int64_t> strides,
            llvm::ArrayRef<int64_t> shape);
/// Dim `dim` of n * size elements as two dims [n, size].
Place splitDim(const Place &place, int64_t dim, int64_t outer);

/// Makes dims that are neighbours in both places (of one shape) one dim, so that a copy has few loops.
void mergeDims(Place &a, Place &b);

/// Gives each temporary its offset and returns the bytes of the workspace.
int64_t packTemporaries(std::deque<Root> &roots);

} // namespace colo

#endif // COLO_CONVERSION_PLANBUFFERS_PLACES_H
