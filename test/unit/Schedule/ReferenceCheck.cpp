//===- ReferenceCheck.cpp - a second opinion on schedules ------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See ReferenceCheck.h.
//
//===----------------------------------------------------------------------===//

#include "ReferenceCheck.h"
#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <tuple>

using namespace colo::schedule;

namespace {

/// 'a' the activation that a virtual stage made, 'g' the gradient of its input,
/// 's' what its F stored, 'i' what its I left for W.
using Value = std::tuple<char, int64_t, int64_t>;

class Player {
public:
  Player(const ScheduleProblem &problem, const Schedule &schedule)
      : problem(problem), schedule(schedule), spelt(schedule.hasTransfers()), ranks(schedule.ranks.size()) {}

  bool play() {
    if (static_cast<int64_t>(ranks.size()) != problem.stages)
      return false;
    bool moved = true;
    while (moved && !wrong) {
      moved = false;
      for (size_t rank = 0; rank < ranks.size(); ++rank)
        while (!wrong && step(rank))
          moved = true;
    }
    return !wrong && complete();
  }

private:
  struct Rank {
    size_t next = 0;
    std::set<Value> values;
    /// Members of the group at `next` that have met their counterpart.
    std::set<size_t> met;
    int64_t live = 0;
  };

  bool has(size_t rank, Value value) const {
    if (spelt)
      return ranks[rank].values.count(value);
    return std::any_of(ranks.begin(), ranks.end(), [&](const Rank &other) { return other.values.count(value); });
  }
  bool fail() {
    wrong = true;
    return false;
  }

  bool step(size_t rank) {
    const std::vector<Action> &list = schedule.ranks[rank];
    if (ranks[rank].next == list.size())
      return false;
    const Action &action = list[ranks[rank].next];
    if (action.microBatch < 0 || action.microBatch >= problem.microBatches || action.chunk < 0 ||
        action.chunk >= problem.chunks)
      return fail();
    return isCompute(action.kind) ? compute(rank, action) : meet(rank);
  }

  bool compute(size_t rank, const Action &action) {
    if (action.grouped)
      return fail();
    int64_t stage = problem.virtualStageOf(rank, action.chunk), m = action.microBatch;
    std::set<Value> needs, makes;
    Rank &state = ranks[rank];
    switch (action.kind) {
    case ActionKind::Forward:
      if (stage > 0)
        needs = {Value('a', stage - 1, m)};
      makes = {Value('a', stage, m), Value('s', stage, m)};
      break;
    case ActionKind::Backward:
    case ActionKind::InputGradient:
      needs = {Value('s', stage, m)};
      if (stage + 1 < problem.numVirtualStages())
        needs.insert(Value('g', stage + 1, m));
      makes = {Value('g', stage, m)};
      if (action.kind == ActionKind::InputGradient)
        makes.insert(Value('i', stage, m));
      break;
    default:
      needs = {Value('i', stage, m)};
      makes = {Value('w', stage, m)};
    }
    for (const Value &value : needs)
      if (!has(rank, value))
        return false;
    for (const Value &value : makes)
      if (!state.values.insert(value).second)
        return fail();
    if (action.kind == ActionKind::Backward && !state.values.insert(Value('w', stage, m)).second)
      return fail();
    state.live += action.kind == ActionKind::Forward;
    state.live -= action.kind == ActionKind::Backward || action.kind == ActionKind::WeightGradient;
    if (!problem.liveBounds.empty() && state.live > problem.liveBounds[rank])
      return fail();
    ++state.next;
    return true;
  }

  size_t endOfGroup(size_t rank) const {
    const std::vector<Action> &list = schedule.ranks[rank];
    size_t end = ranks[rank].next + 1;
    while (end < list.size() && list[end].grouped)
      ++end;
    return end;
  }

  /// What a send carries or a receive expects.
  Value carried(size_t rank, const Action &action) const {
    int64_t stage = problem.virtualStageOf(rank, action.chunk);
    switch (action.kind) {
    case ActionKind::SendActivation:
      return {'a', stage, action.microBatch};
    case ActionKind::ReceiveActivation:
      return {'a', stage - 1, action.microBatch};
    case ActionKind::SendGradient:
      return {'g', stage, action.microBatch};
    default:
      return {'g', stage + 1, action.microBatch};
    }
  }

  /// True if the rank stands at a group whose sends all have their values.
  bool posted(size_t rank) {
    const std::vector<Action> &list = schedule.ranks[rank];
    if (ranks[rank].next == list.size() || isCompute(list[ranks[rank].next].kind))
      return false;
    for (size_t i = ranks[rank].next; i < endOfGroup(rank); ++i) {
      if (isCompute(list[i].kind) || (i == ranks[rank].next && list[i].grouped))
        return fail();
      if (isSend(list[i].kind) && !ranks[rank].values.count(carried(rank, list[i])))
        return false;
    }
    return true;
  }

  /// The first member that has met nobody and sends to, or receives from, `peer`.
  size_t firstOpen(size_t rank, int64_t peer, bool send) const {
    for (size_t i = ranks[rank].next; i < endOfGroup(rank); ++i) {
      const Action &action = schedule.ranks[rank][i];
      if (!ranks[rank].met.count(i) && action.peer == peer && isSend(action.kind) == send)
        return i;
    }
    return SIZE_MAX;
  }

  /// Lets the sends at `rank` meet receives, and leaves the group when all its
  /// members have met.
  bool meet(size_t rank) {
    bool moved = false;
    if (!posted(rank))
      return false;
    for (size_t i = ranks[rank].next; i < endOfGroup(rank); ++i) {
      const Action &send = schedule.ranks[rank][i];
      if (send.peer < 0 || send.peer >= problem.stages || send.peer == static_cast<int64_t>(rank))
        return fail();
      if (!isSend(send.kind) || firstOpen(rank, send.peer, true) != i || !posted(send.peer))
        continue;
      size_t j = firstOpen(send.peer, rank, false);
      if (j == SIZE_MAX)
        continue;
      const Action &receive = schedule.ranks[send.peer][j];
      Value value = carried(rank, send);
      if (carried(send.peer, receive) != value || !arrived.insert({send.peer, value}).second)
        return fail();
      ranks[rank].met.insert(i);
      ranks[send.peer].met.insert(j);
      moved = true;
    }
    if (ranks[rank].met.size() < endOfGroup(rank) - ranks[rank].next)
      return moved;
    for (size_t i = ranks[rank].next; i < endOfGroup(rank); ++i)
      if (!isSend(schedule.ranks[rank][i].kind))
        ranks[rank].values.insert(carried(rank, schedule.ranks[rank][i]));
    ranks[rank].next = endOfGroup(rank);
    ranks[rank].met.clear();
    return true;
  }

  bool complete() const {
    for (size_t rank = 0; rank < ranks.size(); ++rank)
      if (ranks[rank].next != schedule.ranks[rank].size())
        return false;
    for (int64_t stage = 0; stage < problem.numVirtualStages(); ++stage)
      for (int64_t m = 0; m < problem.microBatches; ++m)
        if (!ranks[problem.rankOf(stage)].values.count(Value('w', stage, m)))
          return false;
    return true;
  }

  const ScheduleProblem &problem;
  const Schedule &schedule;
  const bool spelt;
  std::vector<Rank> ranks;
  std::set<std::pair<int64_t, Value>> arrived;
  bool wrong = false;
};

} // namespace

bool colo::schedule::referenceAccepts(const ScheduleProblem &problem, const Schedule &schedule) {
  return Player(problem, schedule).play();
}

double colo::schedule::referenceMakespan(const ScheduleProblem &problem, const Schedule &schedule) {
  // When each activation and gradient is made.
  std::map<std::tuple<bool, int64_t, int64_t>, double> made;
  double makespan = 0;
  bool changed = true;
  // A round settles at least one more action, unless they wait in a circle.
  for (size_t round = 0; changed; ++round) {
    if (round > schedule.numActions())
      return std::numeric_limits<double>::infinity();
    changed = false;
    for (size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
      double time = 0;
      for (const Action &action : schedule.ranks[rank]) {
        int64_t stage = problem.virtualStageOf(rank, action.chunk), m = action.microBatch;
        bool forward = action.kind == ActionKind::Forward;
        int64_t from = forward ? stage - 1 : stage + 1;
        bool reads = action.kind != ActionKind::WeightGradient && from >= 0 && from < problem.numVirtualStages();
        if (reads)
          time = std::max(time, made[{forward, from, m}] + problem.transferTimeAfter(std::min(from, stage)));
        time += problem.durationOf(action.kind, stage);
        if (action.kind == ActionKind::WeightGradient)
          continue;
        double &end = made[{forward, stage, m}];
        changed |= end != time;
        end = time;
      }
      makespan = std::max(makespan, time);
    }
  }
  return makespan;
}
