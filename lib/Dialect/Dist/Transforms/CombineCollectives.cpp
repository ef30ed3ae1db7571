//===- CombineCollectives.cpp - several all_reduces, one message -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/Passes.h"
#include "mlir/IR/TypeUtilities.h"

namespace colo::dist {
#define GEN_PASS_DEF_COMBINECOLLECTIVESPASS
#include "colo/Dialect/Dist/Passes.h.inc"
} // namespace colo::dist

using namespace mlir;
using namespace colo;
using namespace colo::dist;

static bool canTravelTogether(AllReduceOp a, AllReduceOp b) {
  return a.getKind() == b.getKind() && a.getMesh() == b.getMesh() && a.getAxes() == b.getAxes() &&
         getElementTypeOrSelf(a.getInputs().front()) == getElementTypeOrSelf(b.getInputs().front());
}

static bool isUsedBefore(Operation *op, Operation *point) {
  return llvm::any_of(op->getUsers(), [&](Operation *user) { return user->isBeforeInBlock(point); });
}

/// The later op takes over the operands of the earlier, whose users all come after it.
static AllReduceOp merge(AllReduceOp earlier, AllReduceOp later) {
  OpBuilder builder(later);
  SmallVector<Value> inputs(earlier.getInputs());
  llvm::append_range(inputs, later.getInputs());
  SmallVector<Type> types(earlier.getResultTypes());
  llvm::append_range(types, later.getResultTypes());
  auto merged = builder.create<AllReduceOp>(FusedLoc::get(later.getContext(), {earlier.getLoc(), later.getLoc()}),
                                            types, inputs, later.getKind(), later.getMesh(), later.getAxes());
  earlier->replaceAllUsesWith(merged.getOutputs().take_front(earlier.getNumResults()));
  later->replaceAllUsesWith(merged.getOutputs().drop_front(earlier.getNumResults()));
  earlier.erase();
  later.erase();
  return merged;
}

namespace {
struct CombineCollectivesPass : public dist::impl::CombineCollectivesPassBase<CombineCollectivesPass> {
  void runOnOperation() override {
    getOperation().walk([&](Block *block) {
      SmallVector<AllReduceOp> waiting; // none of them has a user so far
      for (Operation &op : llvm::make_early_inc_range(*block)) {
        auto current = dyn_cast<AllReduceOp>(op);
        if (!current)
          continue;
        llvm::erase_if(waiting, [&](AllReduceOp earlier) { return isUsedBefore(earlier, current); });
        for (AllReduceOp &earlier : waiting) {
          if (!canTravelTogether(earlier, current))
            continue;
          earlier = merge(earlier, current);
          current = nullptr;
          break;
        }
        if (current)
          waiting.push_back(current);
      }
    });
  }
};
} // namespace
