//===- CombineCollectives.cpp - several all_reduces, one message -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/Passes.h"
#include "llvm/ADT/SetVector.h"

namespace colo::dist {
#define GEN_PASS_DEF_COMBINECOLLECTIVESPASS
#include "colo/Dialect/Dist/Passes.h.inc"
} // namespace colo::dist

using namespace mlir;
using namespace colo;
using namespace colo::dist;

static bool canTravelTogether(AllReduceOp a, AllReduceOp b) {
  return a.getKind() == b.getKind() && a.getMesh() == b.getMesh() && a.getAxes() == b.getAxes() &&
         a.getInputs().front().getType() == b.getInputs().front().getType();
}

/// Between all_reduces that belong together there is nothing worth overlapping.
static bool endsGroup(Operation *op) { return !isPure(op) || isa<CostOpInterface, CollectiveOpInterface>(op); }

/// Moves everything before `later` that needs a result of `earlier` behind it.
/// Fails, changing nothing, if `later` needs one itself.
static LogicalResult sinkUsers(AllReduceOp earlier, AllReduceOp later) {
  llvm::SetVector<Operation *> dependent;
  dependent.insert(earlier);
  for (Operation *op = earlier->getNextNode(); op != later; op = op->getNextNode())
    if (llvm::any_of(op->getOperands(), [&](Value v) { return dependent.contains(v.getDefiningOp()); }))
      dependent.insert(op);
  if (llvm::any_of(later->getOperands(), [&](Value v) { return dependent.contains(v.getDefiningOp()); }))
    return failure();
  Operation *last = later;
  for (Operation *op : dependent.getArrayRef().drop_front()) {
    op->moveAfter(last);
    last = op;
  }
  return success();
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
      SmallVector<AllReduceOp> group;
      for (Operation *op = block->empty() ? nullptr : &block->front(), *next; op; op = next) {
        next = op->getNextNode();
        auto current = dyn_cast<AllReduceOp>(op);
        if (!current) {
          if (endsGroup(op))
            group.clear();
          continue;
        }
        // What an earlier merge has moved is met again where it is now.
        llvm::erase_if(group, [&](AllReduceOp earlier) { return !earlier->isBeforeInBlock(current); });
        auto *partner = llvm::find_if(group, [&](AllReduceOp earlier) {
          return canTravelTogether(earlier, current) && succeeded(sinkUsers(earlier, current));
        });
        if (partner == group.end()) {
          group.push_back(current);
          continue;
        }
        AllReduceOp merged = merge(*partner, current);
        *partner = merged;
        // What was moved behind the merged op comes next.
        next = merged->getNextNode();
      }
    });
  }
};
} // namespace
