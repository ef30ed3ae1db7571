//===- Transfers.cpp - inserts sends and receives --------------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Transfers.h for the order and why it cannot deadlock.
//
//===----------------------------------------------------------------------===//

#include "colo/Schedule/Transfers.h"
#include "Execution.h"
#include <algorithm>
#include <queue>

using namespace colo::schedule;

namespace {

/// A compute action, sorted by when it starts, or by when its value is made.
struct Timed {
  double time = 0;
  /// Its place in an order in which it stands after what it needs: breaks ties.
  size_t number = 0;
  Position position;

  bool operator>(const Timed &other) const { return time != other.time ? time > other.time : number > other.number; }
};

class Inserter {
public:
  Inserter(const ScheduleProblem &problem, const Schedule &schedule)
      : problem(problem), schedule(schedule), table(problem, schedule),
        execution(execute(problem, schedule, table, TransferModel::Overlapped)) {
    result.ranks.resize(schedule.ranks.size());
  }
  Schedule run();

private:
  const Action &actionAt(Position at) const { return schedule.ranks[at.rank][at.index]; }
  const Interval &intervalOf(Position at) const { return execution.intervals[at.rank][at.index]; }
  void emitUntil(double time);
  void emit(Position producer);

  const ScheduleProblem &problem;
  const Schedule &schedule;
  ActionTable table;
  Execution execution;
  std::priority_queue<Timed, std::vector<Timed>, std::greater<Timed>> pending;
  Schedule result;
};

} // namespace

Schedule Inserter::run() {
  // Nothing starts before what it needs has ended, so sorting by start, and by
  // number where starts are equal, keeps every action after what it needs.
  std::vector<Timed> order;
  order.reserve(execution.computeOrder.size());
  for (Position at : execution.computeOrder)
    order.push_back({intervalOf(at).start, order.size(), at});
  std::sort(order.begin(), order.end(), [](const Timed &a, const Timed &b) { return b > a; });
  for (const Timed &next : order) {
    Position at = next.position;
    emitUntil(next.time);
    result.ranks[at.rank].push_back(actionAt(at));
    if (actionAt(at).kind != ActionKind::WeightGradient)
      pending.push({intervalOf(at).end, next.number, at});
  }
  return std::move(result);
}

/// Emits what has been made by `time`.
void Inserter::emitUntil(double time) {
  while (!pending.empty() && pending.top().time <= time) {
    Position producer = pending.top().position;
    pending.pop();
    emit(producer);
  }
}

/// Emits the transfer of what `producer` made, if another rank uses it.
void Inserter::emit(Position producer) {
  const Action &action = actionAt(producer);
  bool forward = action.kind == ActionKind::Forward;
  int64_t from = problem.virtualStageOf(producer.rank, action.chunk), to = forward ? from + 1 : from - 1;
  if (to < 0 || to >= problem.numVirtualStages() || problem.rankOf(to) == producer.rank)
    return;
  Action send = action, receive = action;
  send.kind = forward ? ActionKind::SendActivation : ActionKind::SendGradient;
  send.peer = problem.rankOf(to);
  receive.kind = ActionTable::counterpart(send.kind);
  receive.peer = producer.rank;
  receive.chunk = problem.chunkOf(to);
  std::vector<Action> &source = result.ranks[producer.rank], &target = result.ranks[send.peer];
  // The last thing that either rank did was to receive from, or send to, the
  // other one: both transfers cross and go together.
  auto crosses = [](const std::vector<Action> &list, ActionKind kind, int32_t peer) {
    return !list.empty() && list.back().peer == peer && !list.back().grouped &&
           isSend(list.back().kind) != isSend(kind);
  };
  if (crosses(source, send.kind, send.peer) && crosses(target, receive.kind, receive.peer))
    send.grouped = receive.grouped = true;
  source.push_back(send);
  target.push_back(receive);
}

Schedule colo::schedule::insertTransfers(const ScheduleProblem &problem, const Schedule &schedule) {
  return Inserter(problem, schedule).run();
}

Schedule colo::schedule::removeTransfers(const Schedule &schedule) {
  Schedule result;
  for (const std::vector<Action> &list : schedule.ranks) {
    std::vector<Action> compute;
    std::copy_if(list.begin(), list.end(), std::back_inserter(compute),
                 [](const Action &action) { return isCompute(action.kind); });
    result.ranks.push_back(std::move(compute));
  }
  return result;
}
