//===- Registry.h - dialects and passes of colo's tools -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TOOLS_REGISTRY_H
#define COLO_TOOLS_REGISTRY_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace colo {

/// Every dialect that any phase's IR may hold, so that all of it re-parses.
void registerAllDialects(mlir::DialectRegistry &registry);

/// Every pass, by its flag, for colo-opt.
void registerAllPasses();

} // namespace colo

#endif // COLO_TOOLS_REGISTRY_H
