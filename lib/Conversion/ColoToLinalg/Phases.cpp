//===- Phases.cpp - the passes of a kernel over its rows -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Phases.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/SmallSet.h"
#include <functional>

using namespace mlir;
using namespace colo;

/// The largest row that is kept between phases where each has a place of its own.
static constexpr int64_t kRowBufferBytes = 65536;

PhasePlan::PhasePlan(const Clustering &clustering, const Kernel &kernel, int64_t rowBytes)
    : clustering(clustering), kernel(kernel), rowBytes(rowBytes) {
  assignLevels();
  // A column kernel is one nest: nothing passes between phases.
  if (!kernel.column)
    while (addRowBuffer()) {
    }
  groupPhases();
}

void PhasePlan::assignLevels() {
  for (Value anchor : kernel.anchors) {
    int level = 0;
    clustering.walkLeaves(anchor, [&](Value leaf, llvm::ArrayRef<AffineExpr>) {
      auto it = levels.find(leaf);
      if (it != levels.end())
        level = std::max(level, it->second + (leaf.getDefiningOp<ReduceOp>() ? 1 : 0));
    });
    levels[anchor] = level;
  }
}

//===----------------------------------------------------------------------===//
// Row buffers
//===----------------------------------------------------------------------===//

namespace {
/// Where a value that is computed in place is needed.
struct Usage {
  llvm::SmallSet<int, 4> levels;
  bool aligned = true; ///< always in the row at hand
};
} // namespace

bool PhasePlan::addRowBuffer() {
  llvm::MapVector<Value, Usage> usages;
  auto isMade = [&](Value value) { return isItem(value) || clustering.isLeaf(value); };
  llvm::SmallVector<int64_t> rowSizes(loopNestOf(kernel.anchors.front()).sizes);
  rowSizes.truncate(kernel.rows);
  for (auto &[item, level] : levels) {
    llvm::DenseMap<Value, llvm::SmallVector<ElementIndices, 1>> seen;
    std::function<void(Value, llvm::ArrayRef<AffineExpr>)> visit =
        [&, level = level](Value value, llvm::ArrayRef<AffineExpr> indices) {
          auto &known = seen[value];
          if (isMade(value) || llvm::is_contained(known, indices))
            return;
          known.emplace_back(indices);
          Usage &usage = usages[value];
          usage.levels.insert(level);
          // Of a value with longer rows only some are at hand.
          usage.aligned &= shapeOf(value).take_front(kernel.rows) == llvm::ArrayRef(rowSizes);
          for (size_t d = 0; usage.aligned && d < kernel.rows; ++d)
            usage.aligned = indices[d] == getAffineDimExpr(d, value.getContext());
          for (const ElementAccess &access : operandAccesses(value.getDefiningOp(), indices))
            visit(access.value, access.indices);
        };
    LoopNest nest = loopNestOf(item);
    if (auto reduce = item.getDefiningOp<ReduceOp>())
      visit(reduce.getInput(), nest.operand);
    else
      for (const ElementAccess &access : operandAccesses(item.getDefiningOp(), nest.result))
        visit(access.value, access.indices);
  }
  Value best;
  int64_t rows = 1;
  for (int64_t size : rowSizes)
    rows *= size;
  auto bytesOf = [&](Value value) -> int64_t {
    return elementsOf(value) / rows * llvm::divideCeil(getElementTypeOrSelf(value).getIntOrFloatBitWidth(), 8);
  };
  auto hasRoom = [&](Value value) {
    if (rowBytes)
      return keptBytes + bytesOf(value) <= rowBytes;
    // With seven bits an element to spare.
    return elementsOf(value) / rows * (getElementTypeOrSelf(value).getIntOrFloatBitWidth() + 7) / 8 <= kRowBufferBytes;
  };
  for (auto &[value, usage] : usages) {
    if (usage.levels.size() < 2 || !usage.aligned || elementsOf(value) <= rows || !hasRoom(value) ||
        isViewOp(value.getDefiningOp()) || isa<BroadcastOp>(value.getDefiningOp()) ||
        expressionWeight(value, isMade) < kDear)
      continue;
    // The one nearest to its readers: what it is made of may then be needed once only.
    if (!best || best.getDefiningOp()->isBeforeInBlock(value.getDefiningOp()))
      best = value;
  }
  if (!best)
    return false;
  int level = INT32_MAX;
  for (int user : usages[best].levels)
    level = std::min(level, user);
  levels[best] = level;
  keptBytes += bytesOf(best);
  return true;
}

//===----------------------------------------------------------------------===//
// Phases
//===----------------------------------------------------------------------===//

void PhasePlan::groupPhases() {
  llvm::SmallVector<Value> items;
  for (auto &[item, level] : levels)
    items.push_back(item);
  llvm::stable_sort(items, [&](Value a, Value b) {
    int levelA = levels[a], levelB = levels[b];
    return levelA != levelB ? levelA < levelB : a.getDefiningOp()->isBeforeInBlock(b.getDefiningOp());
  });
  int currentLevel = 0;
  size_t levelBegin = 0;
  for (Value item : items) {
    if (levels[item] != currentLevel) {
      currentLevel = levels[item];
      levelBegin = phases.size();
    }
    LoopNest nest = loopNestOf(item);
    auto same = llvm::find_if(llvm::drop_begin(phases, levelBegin), [&](Phase &p) { return p.sizes == nest.sizes; });
    if (same == phases.end()) {
      phases.push_back({{}, nest.sizes, nest.reduced});
      same = std::prev(phases.end());
    }
    same->items.push_back(item);
    for (size_t d = 0; d < nest.sizes.size(); ++d)
      same->reduced[d] = same->reduced[d] || nest.reduced[d];
  }
}
