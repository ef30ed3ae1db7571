//===- RankProgram.cpp - what one pipeline rank runs, as a table -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RankProgram.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/Support/MathExtras.h"
#include <set>

using namespace mlir;
using namespace colo;
using schedule::ActionKind;

static constexpr int64_t kSlotAlignment = 64; // bytes
/// Arguments of a planned function before its tensors.
static constexpr unsigned kFirstTensor = 3;

static ArrayRef<int64_t> numbers(func::FuncOp func, StringRef attr) {
  return func->getAttrOfType<DenseI64ArrayAttr>(attr).asArrayRef();
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// What another stage calls the pool that `pool` of a stage is sent to.
static std::pair<Pool, int64_t> otherSide(Pool pool, int64_t stage) {
  if (pool == Pool::Outputs)
    return {Pool::Inputs, stage + 1};
  if (pool == Pool::InputGradients)
    return {Pool::OutputGradients, stage - 1};
  return {pool, stage};
}

PipelineValues::PipelineValues(const StageFunctions &functions) {
  for (const auto &[key, constFunc] : functions) {
    auto [stage, kind] = key;
    func::FuncOp func = constFunc;
    ArrayRef<int64_t> written = numbers(func, pipe::kWritesAttr);
    unsigned first = kFirstTensor + numbers(func, pipe::kReadsAttr).size();
    auto leaving = func->getAttrOfType<IntegerAttr>(pipe::kLeavingAttr).getInt();
    bool forward = kind == ActionKind::Forward;
    for (auto [i, number] : llvm::enumerate(written)) {
      bool leaves = static_cast<int64_t>(i) < leaving;
      Pool pool = leaves ? (forward ? Pool::Outputs : Pool::InputGradients) : (forward ? Pool::Saved : Pool::Kept);
      auto type = cast<MemRefType>(func.getArgument(first + i).getType());
      int64_t &offset = bytes[{pool, stage}];
      auto other = otherSide(pool, stage);
      values[number] = {{pool, offset, type}, {other.first, offset, type}};
      members[{pool, stage}].push_back(number);
      if (other != std::make_pair(pool, stage))
        members[other].push_back(number);
      offset += llvm::alignTo(rt::bytesOf(type), kSlotAlignment);
      bytes[other] = offset;
    }
    for (auto [i, number] : llvm::enumerate(numbers(func, pipe::kReadsAttr)))
      sources.try_emplace(number, func.getArgument(kFirstTensor + i).getLoc());
  }
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

RankProgram::RankProgram(const schedule::ScheduleProblem &problem, const StageFunctions &functions,
                         const PipelineValues &values, int64_t rank, ArrayRef<schedule::Action> actions,
                         int64_t firstByte)
    : problem(problem), functions(functions), values(values), rank(rank) {
  addRows(actions);
  placeSlots(firstByte);
}

void RankProgram::addRow(const Case &which, int64_t microBatch, bool last) {
  auto [it, fresh] = caseNumbers.try_emplace(which, static_cast<int64_t>(caseList.size()));
  if (fresh)
    caseList.push_back(which);
  size_t start = table.size();
  table.resize(start + kColumns, 0);
  table[start + kCase] = it->second;
  table[start + kMicroBatch] = microBatch;
  table[start + kLast] = last;
}

void RankProgram::addRows(ArrayRef<schedule::Action> actions) {
  std::map<int32_t, size_t> lastOfChunk;
  for (auto [i, action] : llvm::enumerate(actions))
    if (action.kind == ActionKind::Backward || action.kind == ActionKind::WeightGradient)
      lastOfChunk[action.chunk] = i;
  bool open = false;
  std::vector<const schedule::Action *> unfinished;
  for (size_t i = 0; i < actions.size(); ++i) {
    const schedule::Action &action = actions[i];
    bool next = i + 1 < actions.size() && actions[i + 1].grouped;
    if (next && !action.grouped) {
      addRow({Case::GroupStart, ActionKind::Forward, 0}, 0, false);
      open = true;
    }
    auto last = lastOfChunk.find(action.chunk);
    addRow({Case::Act, action.kind, problem.virtualStageOf(rank, action.chunk)}, action.microBatch,
           last != lastOfChunk.end() && last->second == i);
    if (open && !next) {
      addRow({Case::GroupEnd, ActionKind::Forward, 0}, 0, false);
      open = false;
    }
    if (!schedule::isCompute(action.kind))
      unfinished.push_back(&action);
    // Last first, so that what a trace shows of a group nests.
    for (; !open && !unfinished.empty(); unfinished.pop_back())
      addRow({Case::Finish, unfinished.back()->kind, problem.virtualStageOf(rank, unfinished.back()->chunk)},
             unfinished.back()->microBatch, false);
  }
}

SmallVector<func::FuncOp, 2> RankProgram::functionsOf(ActionKind kind, int64_t stage) const {
  SmallVector<ActionKind, 2> kinds{kind};
  if (kind == ActionKind::Backward && !functions.count({stage, kind}))
    kinds = {ActionKind::InputGradient, ActionKind::WeightGradient};
  SmallVector<func::FuncOp, 2> found;
  for (ActionKind each : kinds)
    if (auto it = functions.find({stage, each}); it != functions.end())
      found.push_back(it->second);
  return found;
}

SmallVector<int64_t> RankProgram::executions() const {
  SmallVector<int64_t> counts(caseList.size(), 0);
  for (int64_t row = 0; row < numRows(); ++row)
    ++counts[table[row * kColumns + kCase]];
  return counts;
}

//===----------------------------------------------------------------------===//
// Slots
//===----------------------------------------------------------------------===//

RankProgram::Key RankProgram::keyOf(Pool pool, int64_t stage) const {
  auto other = otherSide(pool, stage);
  bool exists = other.second >= 0 && other.second < problem.numVirtualStages();
  return exists && problem.rankOf(other.second) == rank ? other : Key{pool, stage};
}

SmallVector<std::pair<unsigned, RankProgram::Key>> RankProgram::touched(const Case &which) const {
  SmallVector<std::pair<unsigned, Key>> pools;
  if (which.what == Case::GroupStart || which.what == Case::GroupEnd)
    return pools;
  auto add = [&](Pool pool) {
    if (values.slotBytes(pool, which.stage))
      pools.push_back({kPools + static_cast<unsigned>(pool), keyOf(pool, which.stage)});
  };
  switch (which.kind) {
  case ActionKind::SendActivation:
    add(Pool::Outputs);
    return pools;
  case ActionKind::ReceiveActivation:
    add(Pool::Inputs);
    return pools;
  case ActionKind::SendGradient:
    add(Pool::InputGradients);
    return pools;
  case ActionKind::ReceiveGradient:
    add(Pool::OutputGradients);
    return pools;
  case ActionKind::Forward:
  case ActionKind::Backward:
  case ActionKind::InputGradient:
  case ActionKind::WeightGradient:
    break;
  }
  llvm::DenseSet<int64_t> named;
  for (func::FuncOp func : functionsOf(which.kind, which.stage))
    for (StringRef attr : {pipe::kReadsAttr, pipe::kWritesAttr})
      named.insert(numbers(func, attr).begin(), numbers(func, attr).end());
  for (unsigned i = 0; i < numPools; ++i) {
    Pool pool = static_cast<Pool>(i);
    if (llvm::any_of(values.numbersIn(pool, which.stage), [&](int64_t number) { return named.contains(number); }))
      add(pool);
  }
  return pools;
}

SmallVector<Pool, 4> RankProgram::transferredPools(const Case &which) const {
  SmallVector<Pool, 4> pools;
  for (auto &[column, key] : touched(which))
    if (isTransferred(static_cast<Pool>(column - kPools)))
      pools.push_back(static_cast<Pool>(column - kPools));
  return pools;
}

std::map<std::pair<RankProgram::Key, int64_t>, std::pair<int64_t, int64_t>> RankProgram::lives() const {
  std::map<std::pair<Key, int64_t>, std::pair<int64_t, int64_t>> result;
  SmallVector<std::pair<Key, int64_t>> sending;
  for (int64_t row = 0; row < numRows(); ++row) {
    const Case &which = caseAt(row);
    int64_t microBatch = table[row * kColumns + kMicroBatch];
    for (auto &[column, key] : touchedIn(row)) {
      result.insert({{key, microBatch}, {row, row}}).first->second.second = row;
      if (which.what == Case::Finish && schedule::isSend(which.kind))
        sending.push_back({key, microBatch});
    }
    if (which.what != Case::Act || !schedule::isCompute(which.kind))
      continue;
    for (const auto &sent : sending)
      result[sent].second = row;
    sending.clear();
  }
  return result;
}

void RankProgram::placeSlots(int64_t firstByte) {
  for (const Case &which : caseList)
    touchedByCase.push_back(touched(which));
  struct Slots {
    std::set<int64_t> unused;
    int64_t count = 0, base = 0, firstEvent = 0;
    std::map<int64_t, int64_t> of; ///< micro-batch
  };
  std::map<Key, Slots> pools;
  std::vector<SmallVector<std::pair<Key, int64_t>>> ending(numRows());
  for (const auto &[user, rows] : lives())
    ending[rows.second].push_back(user);
  for (int64_t row = 0; row < numRows(); ++row) {
    int64_t microBatch = table[row * kColumns + kMicroBatch];
    for (auto &[column, key] : touchedIn(row)) {
      Slots &slots = pools[key];
      if (!slots.of.count(microBatch)) {
        if (slots.unused.empty())
          slots.unused.insert(slots.count++);
        slots.of[microBatch] = *slots.unused.begin();
        slots.unused.erase(slots.unused.begin());
      }
      table[row * kColumns + column] = slots.of[microBatch];
    }
    for (auto &[key, user] : ending[row]) {
      Slots &slots = pools[key];
      slots.unused.insert(slots.of.at(user));
      slots.of.erase(user);
    }
  }
  end = llvm::alignTo(firstByte, kSlotAlignment);
  for (auto &[key, slots] : pools) {
    slots.base = end;
    end += slots.count * values.slotBytes(key.first, key.second);
    slots.firstEvent = events;
    events += isTransferred(key.first) ? slots.count : 0;
    if (key.first == Pool::Saved)
      saved += slots.count * values.slotBytes(key.first, key.second);
  }
  for (int64_t row = 0; row < numRows(); ++row)
    for (auto &[column, key] : touchedIn(row)) {
      int64_t &entry = table[row * kColumns + column];
      table[row * kColumns + column + numPools] = pools[key].firstEvent + entry;
      entry = pools[key].base + entry * values.slotBytes(key.first, key.second);
    }
}
