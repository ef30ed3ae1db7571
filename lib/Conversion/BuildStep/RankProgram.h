//===- RankProgram.h - what one pipeline rank runs, as a table -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A rank's list of actions becomes rows of numbers, which a loop reads and a
// switch with one case an action of a virtual stage runs, so that code does not
// grow with micro-batches. Values that outlive an action lie in pools of the
// workspace. A pool holds what one virtual stage keeps for one micro-batch in
// one slot; a micro-batch has its slot from the first to the last action that
// touches it, and slots are given out again, lowest first.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_CONVERSION_BUILDSTEP_RANKPROGRAM_H
#define COLO_CONVERSION_BUILDSTEP_RANKPROGRAM_H

#include "StepBuilder.h"
#include <tuple>

namespace colo {

/// What a pool holds of a virtual stage, and the column of a row that names the slot.
enum class Pool {
  Inputs,          ///< activations that it reads
  Outputs,         ///< activations that it makes for another rank
  Saved,           ///< what its forward keeps for its backward
  OutputGradients, ///< gradients that it reads
  InputGradients,  ///< gradients that it makes for another rank
  Kept             ///< what the gradient of its input keeps for that of its parameters
};
constexpr unsigned numPools = 6;

/// Whether another rank fills the pool or reads it.
inline bool isTransferred(Pool pool) { return pool != Pool::Saved && pool != Pool::Kept; }

/// Where a value lies in its pool's slots.
struct PipelineValue {
  Pool pool;
  int64_t offset; ///< bytes from the start of the slot
  mlir::MemRefType type;
};

/// The values of all stages' functions, by their numbers.
class PipelineValues {
public:
  explicit PipelineValues(const StageFunctions &functions);

  /// The value as a task of its maker or of its reader sees it.
  const PipelineValue &made(int64_t number) const { return values.at(number).first; }
  const PipelineValue &read(int64_t number) const { return values.at(number).second; }
  /// Bytes of a slot; Outputs of a stage and Inputs of the next are alike, and so are gradients.
  int64_t slotBytes(Pool pool, int64_t stage) const {
    auto it = bytes.find({pool, stage});
    return it == bytes.end() ? 0 : it->second;
  }
  /// The model's place that a value which another stage reads comes from.
  mlir::Location sourceOf(int64_t number) const { return mlir::Location(sources.at(number)); }
  llvm::ArrayRef<int64_t> numbersIn(Pool pool, int64_t stage) const {
    auto it = members.find({pool, stage});
    return it == members.end() ? llvm::ArrayRef<int64_t>() : llvm::ArrayRef<int64_t>(it->second);
  }

private:
  std::map<int64_t, std::pair<PipelineValue, PipelineValue>> values; ///< for the maker, for another stage
  std::map<int64_t, mlir::LocationAttr> sources;                     ///< of what is read, by number
  std::map<std::pair<Pool, int64_t>, int64_t> bytes;
  std::map<std::pair<Pool, int64_t>, llvm::SmallVector<int64_t>> members;
};

class RankProgram {
public:
  /// One branch of the switch.
  struct Case {
    /// Finish stands for the end of a transfer, behind that of its group.
    enum Kind { Act, GroupStart, GroupEnd, Finish } what;
    schedule::ActionKind kind;
    int64_t stage; ///< virtual
    bool operator<(const Case &other) const {
      return std::tie(what, kind, stage) < std::tie(other.what, other.kind, other.stage);
    }
  };
  /// Columns of a row: case, micro-batch, whether it is the stage's last gradient of a run, for each pool the byte
  /// where the slot starts in the workspace, and for each pool the number of the slot's event, if it is transferred.
  static constexpr unsigned kCase = 0, kMicroBatch = 1, kLast = 2, kPools = 3, kEvents = kPools + numPools,
                            kColumns = kEvents + numPools;

  RankProgram(const schedule::ScheduleProblem &problem, const StageFunctions &functions, const PipelineValues &values,
              int64_t rank, llvm::ArrayRef<schedule::Action> actions, int64_t firstByte);

  int64_t numRows() const { return static_cast<int64_t>(table.size() / kColumns); }
  llvm::ArrayRef<int64_t> rows() const { return table; }
  llvm::ArrayRef<Case> cases() const { return caseList; }
  /// How often each case runs.
  llvm::SmallVector<int64_t> executions() const;
  /// The end of the pools.
  int64_t workspaceBytes() const { return end; }
  /// Of the pools, what forwards keep for backwards in all micro-batches that live at once.
  int64_t savedBytes() const { return saved; }
  /// Slots that are sent from or received into: each has an event.
  int64_t numEvents() const { return events; }
  /// The transferred pools that a case touches.
  llvm::SmallVector<Pool, 4> transferredPools(const Case &which) const;
  /// What an action calls, in order: a backward whose halves are functions of their own calls both.
  llvm::SmallVector<mlir::func::FuncOp, 2> functionsOf(schedule::ActionKind kind, int64_t stage) const;
  const PipelineValues &pipelineValues() const { return values; }

private:
  using Key = std::pair<Pool, int64_t>;

  llvm::ArrayRef<std::pair<unsigned, Key>> touchedIn(int64_t row) const {
    return touchedByCase[table[row * kColumns + kCase]];
  }
  const Case &caseAt(int64_t row) const { return caseList[table[row * kColumns + kCase]]; }
  void addRows(llvm::ArrayRef<schedule::Action> actions);
  void addRow(const Case &which, int64_t microBatch, bool last);
  /// The pools that a case touches: column and pool. Where the neighbour runs on this rank too, its pool.
  llvm::SmallVector<std::pair<unsigned, Key>> touched(const Case &which) const;
  Key keyOf(Pool pool, int64_t stage) const;
  /// First and last row of each micro-batch in each pool. What is being sent keeps its slot through the next action, so
  /// that this action need not wait.
  std::map<std::pair<Key, int64_t>, std::pair<int64_t, int64_t>> lives() const;
  void placeSlots(int64_t firstByte);

  const schedule::ScheduleProblem &problem;
  const StageFunctions &functions;
  const PipelineValues &values;
  int64_t rank, end = 0, saved = 0, events = 0;
  std::vector<int64_t> table;
  std::vector<Case> caseList;
  std::vector<llvm::SmallVector<std::pair<unsigned, Key>>> touchedByCase; ///< once all cases are known
  std::map<Case, int64_t> caseNumbers;
};

} // namespace colo

#endif // COLO_CONVERSION_BUILDSTEP_RANKPROGRAM_H
