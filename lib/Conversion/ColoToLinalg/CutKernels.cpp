//===- CutKernels.cpp - kernels that one nest cannot hold ------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Long chains of ops are cut twice. Before kernels are formed, values in the
// middle of a chain become anchors, so that each anchor by itself is within the
// limits. Afterwards a kernel of several anchors that are too much together is
// cut between two of them: in program order the first never read the last, and no
// other op runs in between, or they would not have been one kernel.
//
//===----------------------------------------------------------------------===//

#include "Phases.h"

using namespace mlir;
using namespace colo;

/// Places that are tried for a cut.
static constexpr size_t kPlaces = 64;

/// Of `computed` the value without which `value` and which itself are least; null if `value` is no less without any.
static Value findCut(Value value, llvm::ArrayRef<Value> computed, const KernelLimits &limits,
                     llvm::function_ref<bool(Value)> isMade) {
  Value best;
  int64_t least = nestLoadOf(value, isMade).share(limits);
  size_t step = std::max<size_t>(1, computed.size() / kPlaces);
  for (size_t i = 0; i < computed.size(); i += step) {
    Value candidate = computed[i];
    if (candidate == value || candidate.getDefiningOp()->getNumOperands() == 0)
      continue;
    int64_t own = nestLoadOf(candidate, isMade).share(limits);
    int64_t rest = nestLoadOf(value, [&](Value v) { return v == candidate || isMade(v); }).share(limits);
    if (std::max(own, rest) < least) {
      least = std::max(own, rest);
      best = candidate;
    }
  }
  return best;
}

void Clustering::cutExpressions(Block &block) {
  auto isMade = [&](Value value) {
    Operation *op = value.getDefiningOp();
    return !isKernelOp(op) || isa<ReduceOp>(op) || required.contains(value);
  };
  for (Operation &op : block) {
    if (!isKernelOp(&op) || isViewOp(&op) || isa<ReduceOp, BroadcastOp>(op) || op.use_empty())
      continue;
    Value value = op.getResult(0);
    while (true) {
      llvm::SmallVector<Value> computed;
      if (!nestLoadOf(value, isMade, &computed).exceeds(limits))
        break;
      Value cut = findCut(value, computed, limits, isMade);
      if (!cut)
        break;
      required.insert(cut);
    }
  }
}

NestLoad Clustering::loadOf(const Kernel &kernel) const {
  PhasePlan plan(*this, kernel, limits.rowBytes);
  auto isMade = [&](Value value) { return isLeaf(value) || plan.isItem(value); };
  // A row's sums are in registers from the phase that makes them to the last that reads them.
  llvm::DenseMap<Value, size_t> lastRead;
  std::vector<NestLoad> loads;
  std::vector<llvm::SmallVector<Value>> reads;
  for (const Phase &phase : plan.getPhases()) {
    llvm::SmallVector<Value> read;
    loads.push_back(nestLoadOf(phase.items, isMade, nullptr, &read));
    for (Value value : read)
      lastRead[value] = loads.size() - 1;
    reads.push_back(std::move(read));
  }
  NestLoad most;
  llvm::SetVector<Value> sums;
  for (size_t i = 0; i < loads.size(); ++i) {
    int64_t registers = loads[i].registers;
    for (Value sum : sums)
      if (auto last = lastRead.find(sum);
          last != lastRead.end() && last->second >= i && !llvm::is_contained(reads[i], sum))
        registers += registersOf(sum);
    most.registers = std::max(most.registers, registers);
    most.weight = std::max(most.weight, loads[i].weight);
    for (Value item : plan.getPhases()[i].items)
      if (item.getDefiningOp<ReduceOp>() && !kernel.column)
        sums.insert(item);
  }
  return most;
}

void Clustering::cutKernels() {
  std::vector<Kernel> cut;
  for (Kernel &whole : kernels) {
    auto isMade = [&](Value value) { return isLeaf(value); };
    // Phases hold no more than all anchors would as one nest.
    if (!nestLoadOf(whole.anchors, isMade).exceeds(limits)) {
      cut.push_back(std::move(whole));
      continue;
    }
    Kernel part{{}, whole.column, whole.rows};
    for (Value anchor : whole.anchors) {
      part.anchors.push_back(anchor);
      if (part.anchors.size() == 1 || !loadOf(part).exceeds(limits))
        continue;
      part.anchors.pop_back();
      cut.push_back(part);
      part.anchors = {anchor};
    }
    cut.push_back(std::move(part));
  }
  kernels = std::move(cut);
}
