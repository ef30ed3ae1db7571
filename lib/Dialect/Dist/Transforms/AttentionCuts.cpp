//===- AttentionCuts.cpp - how attention is divided -------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A mode says for each axis how attention divides its work over it. What it says
// becomes the factor that the axis cuts, checked against the sizes.
//
//===----------------------------------------------------------------------===//

#include "Partitioner.h"

using namespace mlir;
using namespace colo;
using namespace colo::dist;

/// Whether dim `dim` of a value becomes the heads of keys or values each of which several query heads read.
bool Partitioner::isSharedHeads(Value value, int dim, int depth) {
  constexpr int kFarEnough = 64;
  for (OpOperand &use : value.getUses()) {
    auto rule = dyn_cast<ShardingRuleOpInterface>(use.getOwner());
    if (!rule || depth == kFarEnough)
      continue;
    FactorMap map = rule.getFactorMap();
    const DimFactors &factors = map.operands[use.getOperandNumber()][dim];
    if (factors.empty())
      continue;
    if (std::optional<Ring> ring = ringOf(map)) {
      if (ring->shares && factors.size() == 1 && factors.front() == ring->heads)
        return true;
      continue;
    }
    if (isProductOrLookup(use.getOwner()))
      continue;
    for (auto [result, dims] : llvm::zip(use.getOwner()->getResults(), map.results))
      if (int64_t next = dimOfFactor(dims, factors.front()); next >= 0)
        if (isSharedHeads(result, static_cast<int>(next), depth + 1))
          return true;
  }
  return false;
}

/// Axes that cut heads where nothing moves cut those of keys and values, then the query heads of one of them.
LogicalResult Partitioner::keepHeads(Operation *op, const FactorMap &map, Options &options) {
  const Ring ring = *ringOf(map);
  int64_t heads = map.factors[ring.heads].size, shares = ring.shares ? map.factors[*ring.shares].size : 1;
  int64_t freeHeads = heads, freeShares = shares;
  Axes cut;
  for (int axis = 0; axis < mesh.rank(); ++axis) {
    if (policy.attentionCut(mesh.names[axis]) != AttentionCut::Local)
      continue;
    cut.push_back(axis);
    int64_t parts = mesh.sizes[axis];
    if (freeHeads % parts == 0) {
      options[axis] = {ring.heads};
      freeHeads /= parts;
    } else if (freeHeads == 1 && freeShares % parts == 0) {
      options[axis] = {*ring.shares};
      freeShares /= parts;
    } else {
      InFlightDiagnostic diagnostic = op->emitError("attention over ")
                                      << heads * shares << " query heads and " << heads
                                      << " key and value heads cannot be divided into " << mesh.groupSize(cut)
                                      << " equal parts, the size of " << mesh.describe(cut);
      diagnostic.attachNote() << sizesThatDivide(
          heads * shares, [&](int64_t n) { return heads % n == 0 || (n % heads == 0 && heads * shares % n == 0); });
      return failure();
    }
  }
  return success();
}

/// Key and value heads that several query heads read have more legal sizes than the dim of a parameter: said before a
/// parameter is refused.
LogicalResult Partitioner::checkSharedHeads() {
  WalkResult result = module.walk([&](ShardingRuleOpInterface op) {
    FactorMap map = op.getFactorMap();
    std::optional<Ring> ring = ringOf(map);
    Options options(mesh.rank());
    return ring && ring->shares && failed(keepHeads(op, map, options)) ? WalkResult::interrupt()
                                                                       : WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// Attention is divided as the mode says. The ring's factor stands for itself
/// and its rows.
LogicalResult Partitioner::restrictAttention(Operation *op, const FactorMap &map, Options &options) {
  std::optional<Ring> ring = ringOf(map);
  if (!ring)
    return success();
  if (failed(keepHeads(op, map, options)))
    return failure();
  auto requireMultiple = [&](int axis, int factor, StringRef what) -> LogicalResult {
    Axes axes;
    for (int other = 0; other < mesh.rank(); ++other)
      if (policy.attentionCut(mesh.names[other]) == AttentionCut::Local && options[other] == SmallVector<int>{factor})
        axes.push_back(other);
    axes.push_back(axis);
    int64_t size = map.factors[factor].size, parts = mesh.granule(axes);
    if (size % parts == 0)
      return success();
    InFlightDiagnostic diagnostic = op->emitError("attention over ")
                                    << size << ' ' << what << " cannot be divided into " << parts << " equal parts, "
                                    << (parts == mesh.groupSize(axes) ? "the" : "twice the") << " size of "
                                    << mesh.describe(axes);
    diagnostic.attachNote() << describeLegalSizes(size, axes);
    return failure();
  };
  for (int axis = 0; axis < mesh.rank(); ++axis) {
    AttentionCut cut = policy.attentionCut(mesh.names[axis]);
    if (cut == AttentionCut::Heads) {
      if (failed(requireMultiple(axis, ring->heads, "key and value heads")))
        return failure();
      options[axis] = {ring->heads};
    } else if (cut == AttentionCut::Ring) {
      if (failed(requireMultiple(axis, ring->rows, "rows")) || failed(requireMultiple(axis, ring->keys, "keys")))
        return failure();
      options[axis] = {ring->keys};
    }
  }
  return success();
}

/// Attention over cut heads gives its results back to the sequence at once, so
/// that what is made of them, the gradient of a bias for one, stays local.
/// Statistics of rows stay with their heads.
void Partitioner::bringHome(Operation *op, const FactorMap &map, Assignment assignment) {
  Ring ring = *ringOf(map);
  for (int axis = 0; axis < mesh.rank(); ++axis) {
    if (policy.attentionCut(mesh.names[axis]) != AttentionCut::Heads)
      continue;
    for (Axes &cut : assignment.factors)
      llvm::erase(cut, axis);
    assignment.factors[ring.rows].push_back(axis);
    assignment.factors[ring.keys].push_back(axis);
  }
  for (OpResult result : op->getResults()) {
    const TensorFactors &dims = map.results[result.getResultNumber()];
    std::optional<Sharding> home = shardingUnder(assignment, map, dims, mesh);
    if (!home || dims.size() != map.operands[0].size())
      continue;
    for (int axis : layouts[result].partial)
      home->addPartial(axis);
    Value back = inLayout(result, *home);
    if (back != result)
      result.replaceAllUsesExcept(back, back.getDefiningOp());
  }
}

/// Where a value and its views are read by attention over cut heads only: the layout in which it takes them, given how
/// the value is held. A value that is saved is then saved so, and goes over once.
std::optional<Sharding> Partitioner::headsLayout(Value value, const Sharding &held) {
  std::optional<Sharding> found;
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    if (isa<func::ReturnOp>(user) && use.getOperandNumber() >= signatures[user->getParentOp()].carried)
      continue;
    auto rule = dyn_cast<ShardingRuleOpInterface>(user);
    if (!rule)
      return std::nullopt;
    FactorMap map = rule.getFactorMap();
    auto axes = factorAxes(held, map, map.operands[use.getOperandNumber()], mesh);
    if (!axes)
      return std::nullopt;
    if (ringOf(map)) {
      for (int axis = 0; axis < mesh.rank(); ++axis) {
        if (policy.attentionCut(mesh.names[axis]) != AttentionCut::Heads)
          continue;
        for (Axes &cut : *axes)
          llvm::erase(cut, axis);
        (*axes)[ringOf(map)->heads].push_back(axis);
      }
    } else {
      std::optional<Sharding> view =
          isa<ViewOpInterface>(user) ? resultSharding({*axes, {}, 0}, map, 0, mesh) : std::nullopt;
      std::optional<Sharding> wanted = view ? headsLayout(user->getResult(0), *view) : std::nullopt;
      axes = wanted ? factorAxes(*wanted, map, map.results[0], mesh) : std::nullopt;
    }
    std::optional<Sharding> wanted =
        axes ? operandSharding({*axes, {}, 0}, map, use.getOperandNumber(), mesh) : std::nullopt;
    if (!wanted || (found && *found != *wanted))
      return std::nullopt;
    found = wanted;
  }
  return found;
}
