//===- Mesh.h - the axes of one tensor group -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_CONVERSION_MESH_H
#define COLO_CONVERSION_MESH_H

#include "mlir/IR/BuiltinOps.h"

namespace colo {

/// `name` lies in the module's `dist.mesh`; `size` in ranks.
struct MeshAxis {
  llvm::StringRef name;
  int64_t size;
  bool zigzag = false; ///< what it cuts is no run (dist.mesh)
};
/// Major to minor.
using Mesh = llvm::SmallVector<MeshAxis, 3>;

/// The axes of the module's `dist.mesh`; empty without one: one tensor rank.
Mesh getMesh(mlir::ModuleOp module);

/// Ranks of a group over these axes, names of the mesh's, replicas aside; 1 over none.
int64_t groupSize(const Mesh &mesh, mlir::ArrayAttr axes);

} // namespace colo

#endif // COLO_CONVERSION_MESH_H
