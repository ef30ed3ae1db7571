//===- DistDialect.h - meshes, shardings, collectives -----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_DIST_DISTDIALECT_H
#define COLO_DIALECT_DIST_DISTDIALECT_H

#include "colo/Dialect/Colo/ColoDialect.h"
#include "mlir/IR/TensorEncoding.h"

#include "colo/Dialect/Dist/DistDialect.h.inc"

#include "colo/Dialect/Dist/DistInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "colo/Dialect/Dist/DistAttrs.h.inc"

#define GET_OP_CLASSES
#include "colo/Dialect/Dist/DistOps.h.inc"

namespace colo::dist {

/// On a product: the algorithm that may replace gather, multiply, scatter (string, "summa").
inline constexpr llvm::StringLiteral kAlgorithmAttr = "dist.algorithm";

} // namespace colo::dist

#endif // COLO_DIALECT_DIST_DISTDIALECT_H
