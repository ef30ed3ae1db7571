//===- WholeHeads.h - which attention stays whole ---------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_COLO_WHOLEHEADS_H
#define COLO_DIALECT_COLO_WHOLEHEADS_H

#include "colo/Dialect/Colo/ColoDialect.h"
#include "mlir/IR/TypeUtilities.h"

namespace colo {

/// Whether kernels that hold whole heads of so many elements hold those of a query: elements that one computes with
/// in 8 bytes count twice, and where 16 bytes do not divide a head, which is then read by elements, those of 4 bytes
/// twice and those of 2 bytes four times.
inline bool holdsHeads(int64_t wholeHeadSize, mlir::Value query) {
  auto type = mlir::cast<mlir::RankedTensorType>(query.getType());
  int64_t size = type.getShape().back(), bits = arithmeticType(type.getElementType()).getIntOrFloatBitWidth();
  int64_t stored = type.getElementTypeBitWidth(), byElements = size * stored % 128 != 0 ? 64 / stored : 1;
  return size * std::max<int64_t>(bits / 32, 1) * byElements <= wholeHeadSize;
}

} // namespace colo

#endif // COLO_DIALECT_COLO_WHOLEHEADS_H
