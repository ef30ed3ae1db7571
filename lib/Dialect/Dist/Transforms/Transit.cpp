//===- Transit.cpp - values on their way to another pipeline rank -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A value is cut further before it is sent, as the mode says, and gathered right
// behind its arrival. A rank that only passes it on sends the part that has come.
//
//===----------------------------------------------------------------------===//

#include "Partitioner.h"

using namespace mlir;
using namespace colo;
using namespace colo::dist;

bool dist::isSent(Operation *op) {
  auto transfer = dyn_cast<TransferOpInterface>(op);
  return transfer && transfer.isSent();
}

/// `held` is the layout that the value would have without being sent.
LogicalResult Partitioner::partitionTransfer(Operation *op, const Sharding &held) {
  OpOperand &operand = op->getOpOperand(0);
  Value result = op->getResult(0);
  auto before = arrivals.find(operand.get());
  const Sharding arrival = before == arrivals.end() ? held : before->second;
  const Sharding sent = policy.transit(cast<RankedTensorType>(result.getType()).getShape(), arrival, mesh);
  if (failed(setOperand(operand, sent)))
    return failure();
  settle(result, sent);
  arrivals[result] = arrival;
  if (sent == arrival)
    return success();
  Value arrived = inLayout(result, arrival);
  result.replaceUsesWithIf(
      arrived, [&](OpOperand &use) { return use.getOwner() != arrived.getDefiningOp() && !isSent(use.getOwner()); });
  originals.erase(arrived);
  return success();
}
