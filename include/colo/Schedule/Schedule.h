//===- Schedule.h - a pipeline schedule and its problem --------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A pipeline schedule is data: one list of actions per pipeline rank, run in
// order. A `ScheduleProblem` says what has to be scheduled; `check()` tells
// whether it is a legal problem and `verify()` proves a schedule of it:
//
//  1. every virtual stage runs every micro-batch once: one F, and either one B
//     or one I and one W;
//  2. every action runs after what it needs. With v the virtual stage:
//       F(v) after F(v-1);  B(v) and I(v) after F(v) and after B or I of v+1;
//       W(v) after I(v);
//  3. where the schedule has sends and receives, each value that crosses ranks
//     is sent once and received once, after it is made and before it is used,
//     and the k-th send from rank a to rank b is the k-th receive of b from a;
//  4. no rank waits forever when each send and receive ends only together with
//     its counterpart and holds up everything behind it in the list. A runtime
//     that lets transfers overlap compute waits for a subset of that, so it
//     cannot deadlock either;
//  5. the activations alive at once on a rank stay within `liveBounds`.
//
// Times are in forwards of a mean stage (any one unit will do), sizes in bytes; tests use small whole numbers of both.
// Nothing here throws or aborts: wrong input is a `Diagnostic`.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_SCHEDULE_SCHEDULE_H
#define COLO_SCHEDULE_SCHEDULE_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace colo::schedule {

//===----------------------------------------------------------------------===//
// Actions
//===----------------------------------------------------------------------===//

/// The letters in quotes are the spelling in text.
enum class ActionKind : uint8_t {
  Forward,           ///< "F"
  Backward,          ///< "B": both gradients at once
  InputGradient,     ///< "I": the gradient of the stage's input
  WeightGradient,    ///< "W": the gradient of the stage's parameters
  SendActivation,    ///< "SA": what F made, to the next virtual stage
  ReceiveActivation, ///< "RA": what F will use
  SendGradient,      ///< "SG": what B or I made, to the previous virtual stage
  ReceiveGradient    ///< "RG": what B or I will use
};
constexpr unsigned numActionKinds = 8;

inline bool isCompute(ActionKind kind) { return kind <= ActionKind::WeightGradient; }
inline bool isSend(ActionKind kind) { return kind == ActionKind::SendActivation || kind == ActionKind::SendGradient; }
inline bool isReceive(ActionKind kind) {
  return kind == ActionKind::ReceiveActivation || kind == ActionKind::ReceiveGradient;
}
/// "F", "SA", ….
llvm::StringRef mnemonic(ActionKind kind);
/// The inverse; nothing for any other word.
std::optional<ActionKind> kindOf(llvm::StringRef mnemonic);
/// 1 for F, which adds an activation that is kept, -1 for B and W, which drop it, else 0.
int keptAfter(ActionKind kind);

/// One thing that a pipeline rank does, numbers from 0.
struct Action {
  ActionKind kind = ActionKind::Forward;
  /// A transfer posted together with the action before it, as one group that
  /// ends when all its transfers have.
  bool grouped = false;
  int32_t microBatch = 0;
  /// Which of its own virtual stages the rank works for. Sender and receiver
  /// each name their own.
  int32_t chunk = 0;
  /// The other rank of a transfer, -1 for compute.
  int32_t peer = -1;

  bool operator==(const Action &other) const {
    return kind == other.kind && grouped == other.grouped && microBatch == other.microBatch && chunk == other.chunk &&
           peer == other.peer;
  }
  bool operator!=(const Action &other) const { return !(*this == other); }

  /// `F3`, `B3.1` (chunk 1), `SA3.1>2` (to rank 2), `RA3<0` (from rank 0).
  std::string text() const;
};

/// What every pipeline rank does, in its order. Not necessarily legal: see ScheduleProblem::verify.
struct Schedule {
  /// One list per pipeline rank.
  std::vector<std::vector<Action>> ranks;

  bool operator==(const Schedule &other) const { return ranks == other.ranks; }
  bool operator!=(const Schedule &other) const { return !(*this == other); }
  /// True if any rank sends or receives. Such a schedule must spell all of its
  /// transfers; one that spells none leaves them to `insertTransfers`.
  bool hasTransfers() const;
  size_t numActions() const;
};

//===----------------------------------------------------------------------===//
// Diagnostics
//===----------------------------------------------------------------------===//

/// A place in a schedule.
struct ActionReference {
  int32_t rank = 0;
  /// Index in the rank's list, from 0.
  int32_t index = 0;
  Action action;

  /// `rank 1, action 4 (B0)`.
  std::string text() const;
};

/// What is wrong, in one sentence that names the legal values.
struct Diagnostic {
  std::string message;
  /// The actions that the message names, the one at fault first; at most two.
  std::vector<ActionReference> actions;
  /// Of an action that is missing, or a list: the rank, or -1. It may be one that the schedule has no list of.
  int32_t rank = -1;
  /// For text: the place from 1, or 0 where there is none.
  unsigned line = 0, column = 0;
};

//===----------------------------------------------------------------------===//
// Problem
//===----------------------------------------------------------------------===//

/// Where virtual stage v of a pipeline of p ranks runs.
enum class Placement {
  Loop, ///< rank v mod p: from the last rank back to rank 0
  Vee   ///< rank v, then 2p-1-v: the second chunk runs back (2405.15362)
};

/// What one virtual stage costs for one micro-batch. A full backward takes
/// inputGradient + weightGradient.
struct StageCost {
  double forward = 1, inputGradient = 1, weightGradient = 1;
  /// Bytes held from the start of F to the end of B, or of I where backward is
  /// split; 0 where nobody has said.
  double activation = 0;
  /// Of these, the bytes that I leaves for W, held to the end of W.
  double weightActivation = 0;
};

/// What a schedule is for: `check` says whether the problem is one, `verify` whether a schedule solves it.
struct ScheduleProblem {
  int64_t stages = 1;       ///< pipeline ranks, p
  int64_t microBatches = 1; ///< m
  int64_t chunks = 1;       ///< virtual stages on each rank, v
  Placement placement = Placement::Loop;
  /// One per virtual stage in the order of the model; empty: unit costs.
  std::vector<StageCost> costs;
  /// Time that an activation, or its gradient, takes between virtual stages
  /// i and i+1 of different ranks: one less than there are virtual stages;
  /// empty: none.
  std::vector<double> transferTimes;
  /// Per rank, how many activations (one micro-batch of one virtual stage, from
  /// F to B or W) may live at once; empty: any number.
  std::vector<int64_t> liveBounds;

  int64_t numVirtualStages() const { return stages * chunks; }
  /// Which rank runs a virtual stage, and which chunk it is there.
  int32_t rankOf(int64_t virtualStage) const;
  int32_t chunkOf(int64_t virtualStage) const { return static_cast<int32_t>(virtualStage / stages); }
  int64_t virtualStageOf(int64_t rank, int64_t chunk) const;

  StageCost costOf(int64_t virtualStage) const { return costs.empty() ? StageCost() : costs[virtualStage]; }
  /// Between virtualStage and the next one; 0 within a rank.
  double transferTimeAfter(int64_t virtualStage) const;
  double durationOf(ActionKind computeKind, int64_t virtualStage) const;

  /// What makes this no legal problem, if anything.
  std::optional<Diagnostic> check() const;
  /// What makes `schedule` no solution of this problem, if anything: rules 1 to
  /// 5 above. Linear in the number of actions.
  std::optional<Diagnostic> verify(const Schedule &schedule) const;
};

} // namespace colo::schedule

#endif // COLO_SCHEDULE_SCHEDULE_H
