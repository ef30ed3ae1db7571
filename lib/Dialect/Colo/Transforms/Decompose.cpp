//===- Decompose.cpp - expand high-level ops -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The two passes that apply DecomposeOpInterface: before partitioning, and for
// attention after it.
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"
#include "colo/Dialect/Colo/Passes.h"
#include "colo/Dialect/Colo/WholeHeads.h"

using namespace mlir;
using namespace colo;

namespace colo {
#define GEN_PASS_DEF_DECOMPOSEPASS
#define GEN_PASS_DEF_DECOMPOSEATTENTIONPASS
#include "colo/Dialect/Colo/Passes.h.inc"
} // namespace colo

void colo::decomposeWhere(Operation *root, llvm::function_ref<bool(DecomposeOpInterface)> filter) {
  SmallVector<DecomposeOpInterface> ops;
  root->walk([&](DecomposeOpInterface op) {
    if (filter(op))
      ops.push_back(op);
  });
  for (DecomposeOpInterface op : ops) {
    OpBuilder builder(op);
    op->replaceAllUsesWith(op.decompose(builder));
    op->erase();
  }
}

void colo::decomposeBeforePartitioning(Operation *root) {
  decomposeWhere(root, [](DecomposeOpInterface op) { return !op.staysWhole(); });
}

namespace {
struct DecomposePass : public colo::impl::DecomposePassBase<DecomposePass> {
  void runOnOperation() override {
    WalkResult numbered = getOperation().walk([](WeightedMeanOp op) {
      if (static_cast<int64_t>(op.getTerm()) >= 0)
        return WalkResult::advance();
      op.emitOpError("has no number for its denominator: colo-autodiff gives it one");
      return WalkResult::interrupt();
    });
    if (numbered.wasInterrupted())
      return signalPassFailure();
    decomposeBeforePartitioning(getOperation());
  }
};

struct DecomposeAttentionPass : public colo::impl::DecomposeAttentionPassBase<DecomposeAttentionPass> {
  using DecomposeAttentionPassBase::DecomposeAttentionPassBase;

  void runOnOperation() override {
    decomposeWhere(getOperation(), [this](DecomposeOpInterface op) {
      return op.staysWhole() && !holdsHeads(wholeHeadSize, op->getOperand(0));
    });
    getOperation().walk([](OwnKernelOpInterface whole) {
      OpBuilder builder(whole);
      whole.completeForKernels(builder);
    });
  }
};
} // namespace
