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

/// Whether dim `dim` of a value becomes the heads of keys or values each of which several query heads read. A value
/// that is met on several ways is looked at once.
bool Partitioner::isSharedHeads(Value value, int64_t dim) {
  SmallVector<std::pair<Value, int64_t>> pending{{value, dim}};
  llvm::DenseSet<std::pair<Value, int64_t>> seen{pending.front()};
  while (!pending.empty()) {
    std::tie(value, dim) = pending.pop_back_val();
    for (OpOperand &use : value.getUses()) {
      auto rule = dyn_cast<ShardingRuleOpInterface>(use.getOwner());
      if (!rule)
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
      for (auto [result, dims] : llvm::zip(use.getOwner()->getResults(), map.results)) {
        std::pair<Value, int64_t> next{result, dimOfFactor(dims, factors.front())};
        if (next.second >= 0 && seen.insert(next).second)
          pending.push_back(next);
      }
    }
  }
  return false;
}

namespace {
/// Heads of which `axes` cannot make equal parts; of query heads as well if `withQueries`.
struct UnevenHeads {
  Axes axes;
  bool withQueries;
};
} // namespace

/// Axes that cut heads where nothing moves cut those of keys and values, then the query heads of one of them. Those
/// over which sequences become whole divide what is left of the former.
static std::optional<UnevenHeads> cutHeads(const FactorMap &map, const Mesh &mesh, const Policy &policy,
                                           MutableArrayRef<SmallVector<int>> options) {
  const Ring ring = *ringOf(map);
  int64_t freeHeads = map.factors[ring.heads].size, freeShares = ring.shares ? map.factors[*ring.shares].size : 1;
  Axes kept, headAxes;
  for (int axis = 0; axis < mesh.rank(); ++axis) {
    if (policy.attentionCut(mesh.names[axis]) != AttentionCut::Local)
      continue;
    kept.push_back(axis);
    int64_t parts = mesh.sizes[axis];
    if (freeHeads % parts == 0) {
      options[axis] = {ring.heads};
      headAxes.push_back(axis);
      freeHeads /= parts;
    } else if (freeHeads == 1 && freeShares % parts == 0) {
      options[axis] = {*ring.shares};
      freeShares /= parts;
    } else {
      return UnevenHeads{kept, true};
    }
  }
  for (int axis = 0; axis < mesh.rank(); ++axis) {
    if (policy.attentionCut(mesh.names[axis]) != AttentionCut::Heads)
      continue;
    headAxes.push_back(axis);
    if (freeHeads % mesh.sizes[axis] != 0)
      return UnevenHeads{headAxes, false};
    options[axis] = {ring.heads};
    freeHeads /= mesh.sizes[axis];
  }
  return std::nullopt;
}

LogicalResult Partitioner::divideHeads(Operation *op, const FactorMap &map, Options &options) {
  std::optional<UnevenHeads> uneven = cutHeads(map, mesh, policy, options);
  if (!uneven)
    return success();
  const Ring ring = *ringOf(map);
  int64_t heads = map.factors[ring.heads].size, shares = ring.shares ? map.factors[*ring.shares].size : 1;
  InFlightDiagnostic diagnostic = emitMisfit(op, heads * (uneven->withQueries ? shares : 1), uneven->axes);
  diagnostic << "attention over ";
  if (uneven->withQueries)
    diagnostic << heads * shares << " query heads and ";
  diagnostic << heads << " key and value heads cannot be divided into " << mesh.groupSize(uneven->axes)
             << " equal parts, the size of " << mesh.describe(uneven->axes);
  auto isLegal = [&](const ShardingOptions &group) {
    std::unique_ptr<Policy> other = makePolicy(group);
    Mesh otherMesh = makeMesh(*other);
    Options ignored(otherMesh.rank());
    return !cutHeads(map, otherMesh, *other, ignored);
  };
  const ShardingOptions &group = policy.getOptions();
  for (const std::string &legal : describeLegalGroups(heads * shares, group, true, group.sequenceSize > 1, isLegal))
    diagnostic.attachNote() << legal;
  return failure();
}

/// Key and value heads that several query heads read have more legal sizes than the dim of a parameter: said before a
/// parameter is refused.
LogicalResult Partitioner::checkSharedHeads() {
  WalkResult result = module.walk([&](ShardingRuleOpInterface op) {
    FactorMap map = op.getFactorMap();
    std::optional<Ring> ring = ringOf(map);
    Options options(mesh.rank());
    return ring && ring->shares && failed(divideHeads(op, map, options)) ? WalkResult::interrupt()
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
  if (failed(divideHeads(op, map, options)))
    return failure();
  auto requireMultiple = [&](int axis, int factor, StringRef what) -> LogicalResult {
    Axes axes{axis};
    int64_t size = map.factors[factor].size, parts = mesh.granule(axes);
    if (size % parts == 0)
      return success();
    InFlightDiagnostic diagnostic = emitMisfit(op, size, axes)
                                    << "attention over " << size << ' ' << what << " cannot be divided into " << parts
                                    << " equal parts, " << (parts == mesh.groupSize(axes) ? "the" : "twice the")
                                    << " size of " << mesh.describe(axes);
    diagnostic.attachNote() << describeLegalSizes(size, axes);
    return failure();
  };
  for (int axis = 0; axis < mesh.rank(); ++axis) {
    if (policy.attentionCut(mesh.names[axis]) != AttentionCut::Ring)
      continue;
    if (failed(requireMultiple(axis, ring->rows, "rows")) || failed(requireMultiple(axis, ring->keys, "keys")))
      return failure();
    options[axis] = {ring->keys};
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
