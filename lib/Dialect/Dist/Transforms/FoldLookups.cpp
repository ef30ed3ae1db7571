//===- FoldLookups.cpp - the lookup of every row is the table ---*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/Passes.h"

namespace colo::dist {
#define GEN_PASS_DEF_FOLDLOOKUPSPASS
#include "colo/Dialect/Dist/Passes.h.inc"
} // namespace colo::dist

using namespace mlir;
using namespace colo;
using namespace colo::dist;

/// Whether ids are 0, 1, 2, … up to the last row of a table.
static bool areAllRows(Value ids, RankedTensorType table) {
  auto iota = ids.getDefiningOp<IotaOp>();
  return iota && iota.getType().getRank() == 1 && iota.getType().getDimSize(0) == table.getDimSize(0);
}

namespace {
struct FoldLookupsPass : public dist::impl::FoldLookupsPassBase<FoldLookupsPass> {
  void runOnOperation() override {
    auto replace = [](Operation *op, Value with) {
      op->getResult(0).replaceAllUsesWith(with);
      op->erase();
    };
    getOperation().walk([&](Operation *op) {
      if (auto lookup = dyn_cast<EmbeddingOp>(op)) {
        if (areAllRows(lookup.getIds(), lookup.getTable().getType()))
          replace(op, lookup.getTable());
      } else if (auto grad = dyn_cast<EmbeddingGradOp>(op)) {
        if (areAllRows(grad.getIds(), grad.getResult().getType()))
          replace(op, grad.getGradient());
      }
    });
  }
};
} // namespace
