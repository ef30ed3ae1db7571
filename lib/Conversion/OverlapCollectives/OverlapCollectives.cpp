//===- OverlapCollectives.cpp - transfers that run beside work -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A list schedule of each block with two resources, the rank's work and its
// communication. Work keeps its order; a collective moves up past work that it
// does not need, and the first op that needs it waits.
//
// How far up: not past the first work that needs the result of an earlier
// collective. What that collective brought is in use then, so at most one more
// set of results is on its way: memory is that of double buffering however many
// rounds a product or a ring has. Nothing is in flight across calls, and the
// rounds of a loop are blocks of their own.
//
//===----------------------------------------------------------------------===//

#include "colo/Conversion/Passes.h"
#include "colo/Dialect/Colo/ColoDialect.h"
#include "colo/Dialect/Dist/DistDialect.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace colo {
#define GEN_PASS_DEF_OVERLAPCOLLECTIVES
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

static bool isView(Operation *op) { return isa_and_nonnull<ViewOpInterface>(op); }

static bool isTransfer(Operation *op) { return isa_and_nonnull<dist::CollectiveOpInterface>(op); }

static bool isWork(Operation *op) { return isa<rt::LaunchOp, EinsumOp, dist::LoopOp>(op); }

/// Nothing moves past a call or a loop that has collectives of its own.
static bool isBarrier(Operation *op) {
  if (auto loop = dyn_cast<dist::LoopOp>(op))
    return loop.getBody()
        .walk([](Operation *inner) { return isTransfer(inner) ? WalkResult::interrupt() : WalkResult::advance(); })
        .wasInterrupted();
  return isa<CallOp, LayersOp>(op) || op->hasTrait<OpTrait::IsTerminator>();
}

/// The first op of the block that reads a result; null if none does.
static Operation *findFirstUser(Operation *op) {
  Operation *first = nullptr;
  for (Operation *user : op->getUsers())
    if (!first || user->isBeforeInBlock(first))
      first = user;
  return first;
}

namespace {
/// First users, each looked for once until one of the op's users moves.
class FirstUsers {
public:
  Operation *of(Operation *op) {
    auto [it, fresh] = known.try_emplace(op);
    if (fresh)
      it->second = findFirstUser(op);
    return it->second;
  }
  void moved(Operation *user) {
    for (Value operand : user->getOperands())
      known.erase(operand.getDefiningOp());
  }

private:
  llvm::DenseMap<Operation *, Operation *> known;
};
} // namespace

/// Views stand before their first user, so that the users of what they view are those that read it.
static void sinkViews(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isView(&op))
      if (Operation *user = findFirstUser(&op))
        op.moveBefore(user);
}

/// A kernel that only adds what a collective brought to gradients may as well run after the next product.
static void delayGradients(Block &block) {
  SmallVector<rt::LaunchOp> launches(block.getOps<rt::LaunchOp>());
  for (rt::LaunchOp launch : launches) {
    bool onlyGradients = llvm::all_of(launch->getUsers(), llvm::IsaPred<GradOp>);
    if (!onlyGradients || launch->use_empty() ||
        llvm::none_of(launch.getInputs(), [](Value input) { return isTransfer(input.getDefiningOp()); }))
      continue;
    Operation *after = launch;
    while (after && !isBarrier(after) && !isa<EinsumOp>(after))
      after = after->getNextNode();
    if (!after || isBarrier(after))
      continue;
    for (Operation *user : llvm::make_early_inc_range(launch->getUsers()))
      if (user->isBeforeInBlock(after))
        user->moveAfter(after);
    launch->moveAfter(after);
  }
}

/// Whether `op` is the first work that needs the result of a collective.
static bool isWaitingWork(Operation *op, FirstUsers &firstUsers) {
  if (isTransfer(op) || isView(op))
    return false;
  auto isFirst = [&](Value operand) {
    // Through views, which stand before their first user.
    while (isView(operand.getDefiningOp()) && firstUsers.of(operand.getDefiningOp()) == op)
      operand = operand.getDefiningOp()->getOperand(0);
    Operation *maker = operand.getDefiningOp();
    if (!isTransfer(maker))
      return false;
    Operation *first = firstUsers.of(maker);
    while (isView(first) && firstUsers.of(first))
      first = firstUsers.of(first);
    return first == op;
  };
  return llvm::any_of(op->getOperands(), isFirst);
}

/// Moves a collective, with the views that only it reads, as far up as it may.
static void startEarly(Operation *transfer, FirstUsers &firstUsers) {
  SmallVector<Operation *> moved;
  llvm::SmallPtrSet<Operation *, 8> needed;
  auto take = [&](Operation *op) {
    moved.push_back(op);
    for (Value operand : op->getOperands())
      needed.insert(operand.getDefiningOp());
  };
  take(transfer);
  Operation *before = transfer;
  for (Operation *op = transfer->getPrevNode(); op; op = op->getPrevNode()) {
    if (needed.contains(op)) {
      // What the previous hop brings is passed on when its flight is over; earlier, the flight would end before its
      // work.
      if (isTransfer(op))
        return;
      if (!isView(op) || !op->hasOneUse())
        break;
      take(op);
      continue;
    }
    if (isBarrier(op))
      break;
    // Only work is worth passing: other collectives keep their order.
    if (isWork(op))
      before = op;
    if (isWaitingWork(op, firstUsers))
      break;
  }
  if (before == transfer)
    return;
  for (Operation *op : llvm::reverse(moved)) {
    op->moveBefore(before);
    firstUsers.moved(op);
  }
}

/// A collective runs beside work if there is some before the first op that needs it.
static void waitLate(Operation *transfer) {
  Operation *first = findFirstUser(transfer), *end = transfer->getNextNode();
  bool hasWork = false;
  for (; end != first && !isBarrier(end); end = end->getNextNode())
    hasWork |= isWork(end);
  if (!hasWork)
    return;
  OpBuilder builder(end);
  auto wait = builder.create<dist::WaitOp>(transfer->getLoc(), transfer->getResultTypes(), transfer->getResults());
  for (auto [from, to] : llvm::zip(transfer->getResults(), wait->getResults()))
    from.replaceAllUsesExcept(to, wait);
}

namespace {
struct OverlapCollectives : colo::impl::OverlapCollectivesBase<OverlapCollectives> {
  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      if (func.isExternal() || func->hasAttr(rt::kKernelAttr))
        continue;
      schedule(func.getBody().front());
      func.walk([](dist::LoopOp loop) { schedule(loop.block()); });
    }
  }

private:
  static void schedule(Block &block) {
    sinkViews(block);
    delayGradients(block);
    SmallVector<Operation *> transfers;
    for (Operation &op : block)
      if (isTransfer(&op))
        transfers.push_back(&op);
    FirstUsers firstUsers;
    for (Operation *transfer : transfers)
      startEarly(transfer, firstUsers);
    for (Operation *transfer : transfers)
      waitLate(transfer);
  }
};
} // namespace
