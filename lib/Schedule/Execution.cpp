//===- Execution.cpp - runs the lists of a schedule ----------------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A stream that cannot go on is put on the list of the action that it waits for
// and taken up again when that action is over. Every action is looked at a
// bounded number of times, so a run is linear in the number of actions. When
// nothing is left to take up and a stream has not ended, following what each
// head waits for runs into a cycle: the deadlock.
//
//===----------------------------------------------------------------------===//

#include "Execution.h"
#include "llvm/ADT/Twine.h"
#include <algorithm>

using namespace colo::schedule;

namespace {

/// A run of actions of one rank that follow each other.
struct Stream {
  int32_t rank = 0;
  std::vector<int32_t> indices;
  size_t next = 0;
  /// When the last one ended.
  double time = 0;
  /// The next stream that waits for the same action, or -1.
  int32_t nextWaiter = -1;

  bool ended() const { return next == indices.size(); }
};

enum class Progress : uint8_t { None, Posted, Transferred, Done };

class Engine {
public:
  Engine(const ScheduleProblem &problem, const Schedule &schedule, const ActionTable &table, TransferModel model);
  Execution run();

private:
  const Action &actionAt(Position at) const { return schedule.ranks[at.rank][at.index]; }
  int64_t stageOf(Position at) const { return problem.virtualStageOf(at.rank, actionAt(at).chunk); }
  size_t idOf(Position at) const { return firstId[at.rank] + at.index; }
  bool isDone(Position at) const { return progress[idOf(at)] == Progress::Done; }
  Interval &intervalOf(Position at) { return result.intervals[at.rank][at.index]; }
  Position headOf(const Stream &stream) const { return {stream.rank, stream.indices[stream.next]}; }

  void advance(int32_t streamId);
  bool advanceCompute(Stream &stream);
  bool advanceGroup(Stream &stream);
  void post(Position at, double time);
  void transfer(Position at, Position other);
  void wake(Position at);

  size_t endOfGroup(const Stream &stream) const;
  std::pair<Position, double> findInput(Position at) const;
  Position awaitedBy(const Stream &stream) const;
  void reportDeadlock();

  const ScheduleProblem &problem;
  const Schedule &schedule;
  const ActionTable &table;
  const bool blocking, spelt;
  std::vector<Stream> streams;
  std::vector<int32_t> ready;
  /// Actions are numbered through all lists.
  std::vector<size_t> firstId;
  std::vector<Progress> progress;
  std::vector<int32_t> firstWaiter;
  Execution result;
};

} // namespace

Engine::Engine(const ScheduleProblem &problem, const Schedule &schedule, const ActionTable &table, TransferModel model)
    : problem(problem), schedule(schedule), table(table), blocking(model == TransferModel::Blocking),
      spelt(schedule.hasTransfers()) {
  size_t numActions = 0;
  for (const std::vector<Action> &list : schedule.ranks) {
    int32_t rank = static_cast<int32_t>(firstId.size());
    firstId.push_back(numActions);
    numActions += list.size();
    result.intervals.emplace_back(list.size());
    Stream compute, transfers;
    compute.rank = transfers.rank = rank;
    for (size_t index = 0; index < list.size(); ++index) {
      Stream &stream = blocking || isCompute(list[index].kind) ? compute : transfers;
      stream.indices.push_back(static_cast<int32_t>(index));
    }
    streams.push_back(std::move(compute));
    streams.push_back(std::move(transfers));
  }
  progress.assign(numActions, Progress::None);
  firstWaiter.assign(numActions, -1);
}

Execution Engine::run() {
  for (size_t id = streams.size(); id > 0; --id)
    ready.push_back(static_cast<int32_t>(id - 1));
  while (!ready.empty()) {
    int32_t id = ready.back();
    ready.pop_back();
    advance(id);
  }
  reportDeadlock();
  return std::move(result);
}

void Engine::advance(int32_t streamId) {
  Stream &stream = streams[streamId];
  while (!stream.ended()) {
    bool moved = isCompute(actionAt(headOf(stream)).kind) ? advanceCompute(stream) : advanceGroup(stream);
    if (moved)
      continue;
    // A group waits for its own member, which the counterpart's post brings on.
    Position awaited = awaitedBy(stream);
    if (!isCompute(actionAt(awaited).kind) && awaited.rank != stream.rank)
      awaited = table.findCounterpart(actionAt(awaited), stageOf(awaited));
    stream.nextWaiter = firstWaiter[idOf(awaited)];
    firstWaiter[idOf(awaited)] = streamId;
    return;
  }
}

/// The action that brings a compute action its input, and how long after its
/// end the input is there.
std::pair<Position, double> Engine::findInput(Position at) const {
  const Action &action = actionAt(at);
  int64_t stage = stageOf(at), from = table.inputStage(action.kind, stage);
  if (from < 0)
    return {Position(), 0};
  if (spelt && problem.rankOf(from) != at.rank)
    return {table.findReceive(action, stage), 0};
  return {table.findRemoteInput(action, stage), problem.transferTimeAfter(std::min(from, stage))};
}

bool Engine::advanceCompute(Stream &stream) {
  Position at = headOf(stream);
  double start = stream.time;
  if (Position local = table.findLocalInput(actionAt(at), stageOf(at))) {
    if (!isDone(local))
      return false;
    start = std::max(start, intervalOf(local).end);
  }
  if (auto [input, delay] = findInput(at); input) {
    if (!isDone(input))
      return false;
    start = std::max(start, intervalOf(input).end + delay);
  }
  stream.time = start + problem.durationOf(actionAt(at).kind, stageOf(at));
  intervalOf(at) = {start, stream.time};
  ++stream.next;
  result.computeOrder.push_back(at);
  progress[idOf(at)] = Progress::Done;
  wake(at);
  return true;
}

/// The position in `stream` after the group that its head begins.
size_t Engine::endOfGroup(const Stream &stream) const {
  size_t end = stream.next + 1;
  while (end < stream.indices.size() && schedule.ranks[stream.rank][stream.indices[end]].grouped)
    ++end;
  return end;
}

bool Engine::advanceGroup(Stream &stream) {
  size_t end = endOfGroup(stream);
  auto member = [&](size_t i) { return Position{stream.rank, stream.indices[i]}; };
  if (progress[idOf(headOf(stream))] == Progress::None) {
    double time = stream.time;
    for (size_t i = stream.next; i < end; ++i)
      if (Position made = table.findLocalInput(actionAt(member(i)), stageOf(member(i)))) {
        if (!isDone(made))
          return false;
        time = std::max(time, intervalOf(made).end);
      }
    for (size_t i = stream.next; i < end; ++i)
      post(member(i), time);
  }
  double time = stream.time;
  for (size_t i = stream.next; i < end; ++i) {
    if (progress[idOf(member(i))] != Progress::Transferred)
      return false;
    time = std::max(time, intervalOf(member(i)).end);
  }
  for (size_t i = stream.next; i < end; ++i) {
    intervalOf(member(i)).end = time;
    progress[idOf(member(i))] = Progress::Done;
  }
  for (size_t i = stream.next; i < end; ++i)
    wake(member(i));
  stream.time = time;
  stream.next = end;
  return true;
}

void Engine::post(Position at, double time) {
  progress[idOf(at)] = Progress::Posted;
  intervalOf(at) = {time, time};
  Position other = table.findCounterpart(actionAt(at), stageOf(at));
  if (progress[idOf(other)] == Progress::Posted)
    transfer(at, other);
}

void Engine::transfer(Position at, Position other) {
  double start = std::max(intervalOf(at).start, intervalOf(other).start);
  double time = problem.transferTimeAfter(std::min(stageOf(at), stageOf(other)));
  for (Position side : {at, other}) {
    intervalOf(side) = {start, start + time};
    progress[idOf(side)] = Progress::Transferred;
    wake(side);
  }
}

void Engine::wake(Position at) {
  int32_t waiter = firstWaiter[idOf(at)];
  firstWaiter[idOf(at)] = -1;
  for (; waiter >= 0; waiter = streams[waiter].nextWaiter)
    ready.push_back(waiter);
}

/// What the head of a stream that cannot go on waits for.
Position Engine::awaitedBy(const Stream &stream) const {
  Position head = headOf(stream);
  if (isCompute(actionAt(head).kind)) {
    Position local = table.findLocalInput(actionAt(head), stageOf(head));
    return local && !isDone(local) ? local : findInput(head).first;
  }
  for (size_t i = stream.next, end = endOfGroup(stream); i < end; ++i) {
    Position at{stream.rank, stream.indices[i]};
    Position made = table.findLocalInput(actionAt(at), stageOf(at));
    if (made && !isDone(made))
      return made;
  }
  for (size_t i = stream.next, end = endOfGroup(stream); i < end; ++i) {
    Position at{stream.rank, stream.indices[i]};
    if (progress[idOf(at)] == Progress::Posted)
      return table.findCounterpart(actionAt(at), stageOf(at));
  }
  return head;
}

void Engine::reportDeadlock() {
  auto stuck = std::find_if(streams.begin(), streams.end(), [](const Stream &stream) { return !stream.ended(); });
  if (stuck == streams.end())
    return;
  // In the blocking model the stream of rank r is 2r; walk until a rank repeats,
  // which is then on the cycle.
  std::vector<bool> seen(schedule.ranks.size());
  const Stream *at = &*stuck;
  while (!seen[at->rank]) {
    seen[at->rank] = true;
    at = &streams[2 * awaitedBy(*at).rank];
  }
  auto reference = [&](Position position) {
    return ActionReference{position.rank, position.index, actionAt(position)};
  };
  Position awaited = awaitedBy(*at);
  ActionReference waits = reference(headOf(*at)), other = reference(awaited);
  ActionReference holds = reference(headOf(streams[2 * awaited.rank]));
  Diagnostic diagnostic;
  diagnostic.message = "deadlock: " + waits.text() + " waits for " + other.text();
  if (holds.index != other.index)
    diagnostic.message += ", behind " + holds.text() + ", which in turn waits for it";
  diagnostic.actions = {waits, other};
  result.deadlock = std::move(diagnostic);
}

Execution colo::schedule::execute(const ScheduleProblem &problem, const Schedule &schedule, const ActionTable &table,
                                  TransferModel model) {
  return Engine(problem, schedule, table, model).run();
}
