//===- Mesh.cpp - the axes of one tensor group -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Conversion/Mesh.h"
#include "colo/Dialect/Dist/DistDialect.h"

using namespace mlir;
using namespace colo;

Mesh colo::getMesh(ModuleOp module) {
  Mesh mesh;
  for (dist::MeshOp op : module.getOps<dist::MeshOp>())
    for (auto [name, size] : llvm::zip(op.getAxes().getAsRange<StringAttr>(), op.getSizes()))
      mesh.push_back({name.getValue(), size, op.getZigzag() && llvm::is_contained(*op.getZigzag(), name)});
  return mesh;
}

int64_t colo::groupSize(const Mesh &mesh, ArrayAttr axes) {
  int64_t size = 1;
  for (StringAttr name : axes.getAsRange<StringAttr>())
    for (const MeshAxis &axis : mesh)
      if (axis.name == name.getValue())
        size *= axis.size;
  return size;
}
