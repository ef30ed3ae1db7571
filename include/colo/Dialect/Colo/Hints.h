//===- Hints.h - what a model asks of single ops ---------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Attributes that change no result.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_COLO_HINTS_H
#define COLO_DIALECT_COLO_HINTS_H

#include "llvm/ADT/StringRef.h"

namespace colo {

/// On an op of a module's function: colo-autodiff computes its results again in the backward function, whatever they
/// cost, and saves none of them.
inline constexpr llvm::StringLiteral kRecomputeAttr = "colo.recompute";

/// {dim, axis} on an op with one result: dist-shard cuts that dim of it over the mesh axis of that name.
inline constexpr llvm::StringLiteral kShardAttr = "colo.shard";

} // namespace colo

#endif // COLO_DIALECT_COLO_HINTS_H
