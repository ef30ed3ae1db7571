//===- Pins.cpp - layouts that the model asks for ---------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// shard(x, dim, axis) leaves an op with colo.shard, whose result has that dim
// cut over that axis. What is made of it is free again.
//
//===----------------------------------------------------------------------===//

#include "Partitioner.h"
#include "colo/Dialect/Colo/Hints.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace colo;
using namespace colo::dist;

bool dist::isPinned(Operation *op) { return op->hasAttr(kShardAttr); }

LogicalResult Partitioner::restrictToPin(Operation *op, const FactorMap &map, Options &options) {
  auto pin = op->getAttrOfType<DictionaryAttr>(kShardAttr);
  if (!pin)
    return success();
  StringRef name = pin.getAs<StringAttr>("axis").getValue();
  int64_t dim = pin.getAs<IntegerAttr>("dim").getInt();
  std::optional<int> axis = mesh.find(name);
  if (!axis) {
    std::vector<std::string> names;
    names.reserve(mesh.names.size());
    for (StringRef known : mesh.names)
      names.push_back(("'" + known + "'").str());
    return op->emitError("shard() over axis '")
           << name << "', but the axes of this mode are " << llvm::join(names, ", ");
  }
  int64_t size = cast<RankedTensorType>(op->getResult(0).getType()).getDimSize(dim);
  int64_t parts = mesh.sizes[*axis], each = mesh.granule({*axis}) / parts;
  if (size % (parts * each) != 0 || map.results[0][dim].empty()) {
    InFlightDiagnostic diagnostic = op->emitError("shard() cannot cut dim ")
                                    << dim << ", " << size << ", into " << parts
                                    << " equal parts, the size of mesh axis \"" << name << "\"";
    if (each > 1)
      diagnostic << ", each of " << each << " equal blocks";
    diagnostic.attachNote() << "sizes that divide: " << joinNumbers(divisorsOf(size % each == 0 ? size / each : 1));
    return failure();
  }
  options[*axis] = {map.results[0][dim].front()};
  return success();
}
