//===- Verify.cpp - proves a schedule ------------------------------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rules of Schedule.h, one method each, in the order in which later rules
// rely on earlier ones.
//
//===----------------------------------------------------------------------===//

#include "Execution.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/Twine.h"

using namespace colo::schedule;
using llvm::StringRef;
using llvm::Twine;

namespace {

using Result = std::optional<Diagnostic>;

class Verifier {
public:
  Verifier(const ScheduleProblem &problem, const Schedule &schedule)
      : problem(problem), schedule(schedule), table(problem), spelt(schedule.hasTransfers()) {}
  Result run();

private:
  Result verifyRanges();
  Result verifyRange(const ActionReference &at);
  Result verifyOnce();
  Result verifyComplete();
  Result verifyUnit(int64_t stage, int64_t microBatch);
  Result verifyTransfers(int64_t stage, int64_t microBatch);
  Result verifyTransfer(ActionKind kind, int64_t stage, int64_t microBatch, Position user);
  Result verifyLocalOrder();
  Result verifyPairing();
  Result verifyLive();

  int64_t stageOf(const ActionReference &at) const { return problem.virtualStageOf(at.rank, at.action.chunk); }
  ActionReference at(Position position) const {
    return {position.rank, position.index, schedule.ranks[position.rank][position.index]};
  }
  /// Calls `visit` on every action until it finds fault.
  template <typename Visitor> Result forEach(Visitor visit) {
    for (size_t rank = 0; rank < schedule.ranks.size(); ++rank)
      for (size_t index = 0; index < schedule.ranks[rank].size(); ++index)
        if (Result error = visit(at({static_cast<int32_t>(rank), static_cast<int32_t>(index)})))
          return error;
    return std::nullopt;
  }

  const ScheduleProblem &problem;
  const Schedule &schedule;
  ActionTable table;
  const bool spelt;
};

Diagnostic fail(const Twine &message, std::vector<ActionReference> actions, int32_t rank = -1) {
  Diagnostic diagnostic;
  diagnostic.message = message.str();
  diagnostic.actions = std::move(actions);
  diagnostic.rank = rank;
  return diagnostic;
}

} // namespace

Result Verifier::run() {
  if (static_cast<int64_t>(schedule.ranks.size()) != problem.stages)
    return fail("the schedule has " + Twine(schedule.ranks.size()) +
                    " lists of actions; legal: " + Twine(problem.stages) + ", one for each pipeline stage",
                {}, static_cast<int32_t>(problem.stages));
  if (Result error = verifyRanges())
    return error;
  if (Result error = verifyOnce())
    return error;
  if (Result error = verifyComplete())
    return error;
  if (Result error = verifyLocalOrder())
    return error;
  if (Result error = verifyPairing())
    return error;
  if (Result error = verifyLive())
    return error;
  return execute(problem, schedule, table, TransferModel::Blocking).deadlock;
}

//===----------------------------------------------------------------------===//
// Rules 1 and 3: every action once
//===----------------------------------------------------------------------===//

Result Verifier::verifyRanges() {
  return forEach([&](const ActionReference &at) { return verifyRange(at); });
}

Result Verifier::verifyRange(const ActionReference &at) {
  const Action &action = at.action;
  auto outside = [&](StringRef what, int64_t value, int64_t end) {
    return fail(at.text() + " names " + what + " " + Twine(value) + "; legal: 0 to " + Twine(end - 1), {at});
  };
  if (action.microBatch < 0 || action.microBatch >= problem.microBatches)
    return outside("micro-batch", action.microBatch, problem.microBatches);
  if (action.chunk < 0 || action.chunk >= problem.chunks)
    return outside("chunk", action.chunk, problem.chunks);
  if (action.grouped &&
      (isCompute(action.kind) || at.index == 0 || isCompute(schedule.ranks[at.rank][at.index - 1].kind)))
    return fail(at.text() + " is grouped with the action before it; legal: transfers, with transfers", {at});
  if (isCompute(action.kind))
    return std::nullopt;

  int64_t stage = stageOf(at), other = ActionTable::otherStage(action.kind, stage);
  if (other < 0 || other >= problem.numVirtualStages())
    return fail(at.text() + " has no counterpart: virtual stage " + Twine(stage) + " is the " +
                    (other < 0 ? "first" : "last") + " one",
                {at});
  int32_t rank = problem.rankOf(other);
  if (rank == at.rank)
    return fail(at.text() + " has no counterpart: virtual stage " + Twine(other) + " runs on the same rank", {at});
  if (action.peer != rank)
    return fail(at.text() + " names rank " + Twine(action.peer) + "; legal: " + Twine(rank) +
                    ", which runs virtual stage " + Twine(other),
                {at});
  return std::nullopt;
}

Result Verifier::verifyOnce() {
  return forEach([&](const ActionReference &here) -> Result {
    const Action &action = here.action;
    int64_t stage = stageOf(here);
    if (Position first = table.find(action.kind, stage, action.microBatch))
      return fail(here.text() + " was run before: " + at(first).text(), {here, at(first)});
    table.insert(action.kind, stage, action.microBatch, here.index);
    if (action.kind != ActionKind::Backward && action.kind != ActionKind::InputGradient &&
        action.kind != ActionKind::WeightGradient)
      return std::nullopt;
    bool full = action.kind == ActionKind::Backward;
    for (ActionKind kind : {ActionKind::Backward, ActionKind::InputGradient, ActionKind::WeightGradient})
      if (Position rival = table.find(kind, stage, action.microBatch); rival && full != (kind == ActionKind::Backward))
        return fail(here.text() + " and " + at(rival).text() +
                        " compute the same gradient; legal: one B, or one I and one W",
                    {here, at(rival)});
    return std::nullopt;
  });
}

Result Verifier::verifyComplete() {
  for (int64_t stage = 0; stage < problem.numVirtualStages(); ++stage)
    for (int64_t microBatch = 0; microBatch < problem.microBatches; ++microBatch) {
      if (Result error = verifyUnit(stage, microBatch))
        return error;
      if (!spelt)
        continue;
      if (Result error = verifyTransfers(stage, microBatch))
        return error;
    }
  return std::nullopt;
}

/// One F, and one B or I and W, of one micro-batch on one virtual stage.
Result Verifier::verifyUnit(int64_t stage, int64_t microBatch) {
  auto missing = [&](StringRef what, Position user) {
    int32_t rank = problem.rankOf(stage);
    std::string message = ("rank " + Twine(rank) + " never runs " + what + " of micro-batch " + Twine(microBatch) +
                           (problem.chunks > 1 ? ", chunk " + Twine(problem.chunkOf(stage)).str() : std::string()))
                              .str();
    if (!user)
      return fail(message, {}, rank);
    return fail(message + ", which " + at(user).text() + " belongs to", {at(user)}, rank);
  };
  Position forward = table.find(ActionKind::Forward, stage, microBatch);
  Position backward = table.findBackward(stage, microBatch);
  Position weight = table.find(ActionKind::WeightGradient, stage, microBatch);
  if (!forward)
    return missing("F", backward ? backward : weight);
  if (!backward)
    return missing(weight ? "I" : "B, or I and W,", weight ? weight : forward);
  if (table.find(ActionKind::InputGradient, stage, microBatch) && !weight)
    return missing("W", backward);
  return std::nullopt;
}

/// The transfers that bring a unit its inputs, and their sends.
Result Verifier::verifyTransfers(int64_t stage, int64_t microBatch) {
  Position users[] = {table.find(ActionKind::Forward, stage, microBatch), table.findBackward(stage, microBatch)};
  for (Position user : users) {
    Action action = at(user).action;
    int64_t from = table.inputStage(action.kind, stage);
    if (from < 0 || problem.rankOf(from) == user.rank)
      continue;
    bool forward = action.kind == ActionKind::Forward;
    ActionKind receive = forward ? ActionKind::ReceiveActivation : ActionKind::ReceiveGradient;
    if (Result error = verifyTransfer(receive, stage, microBatch, user))
      return error;
    if (Result error =
            verifyTransfer(ActionTable::counterpart(receive), from, microBatch, table.find(receive, stage, microBatch)))
      return error;
  }
  return std::nullopt;
}

Result Verifier::verifyTransfer(ActionKind kind, int64_t stage, int64_t microBatch, Position user) {
  if (table.find(kind, stage, microBatch))
    return std::nullopt;
  Action action;
  action.kind = kind;
  action.microBatch = static_cast<int32_t>(microBatch);
  action.chunk = problem.chunkOf(stage);
  action.peer = problem.rankOf(ActionTable::otherStage(kind, stage));
  return fail("rank " + Twine(problem.rankOf(stage)) + " never runs " + action.text() + ", which " + at(user).text() +
                  " waits for",
              {at(user)}, problem.rankOf(stage));
}

//===----------------------------------------------------------------------===//
// Rule 2 within a rank, and order of transfers
//===----------------------------------------------------------------------===//

Result Verifier::verifyLocalOrder() {
  return forEach([&](const ActionReference &here) -> Result {
    int64_t stage = stageOf(here);
    Position inputs[] = {table.findLocalInput(here.action, stage), Position()};
    int64_t from = table.inputStage(here.action.kind, stage);
    if (from >= 0 && problem.rankOf(from) == here.rank)
      inputs[1] = table.findRemoteInput(here.action, stage);
    else if (from >= 0 && spelt)
      inputs[1] = table.findReceive(here.action, stage);
    for (Position input : inputs)
      if (input && input.index > here.index)
        return fail(here.text() + " runs before " + at(input).text() + ", whose result it uses", {here, at(input)});
    return std::nullopt;
  });
}

/// Transfers between two ranks are told apart by their order alone. Rule 3 has
/// been checked: each direction has as many sends as receives.
Result Verifier::verifyPairing() {
  llvm::DenseMap<std::pair<int32_t, int32_t>, std::vector<Position>> sends;
  llvm::DenseMap<std::pair<int32_t, int32_t>, size_t> received;
  (void)forEach([&](const ActionReference &here) -> Result {
    if (isSend(here.action.kind))
      sends[{here.rank, here.action.peer}].push_back({here.rank, here.index});
    return std::nullopt;
  });
  return forEach([&](const ActionReference &here) -> Result {
    if (!isReceive(here.action.kind))
      return std::nullopt;
    std::pair<int32_t, int32_t> direction(here.action.peer, here.rank);
    const std::vector<Position> &sent = sends[direction];
    size_t number = received[direction]++;
    if (table.findCounterpart(here.action, stageOf(here)) == sent[number])
      return std::nullopt;
    return fail(here.text() + " is transfer " + Twine(number) + " from rank " + Twine(direction.first) + " to rank " +
                    Twine(direction.second) + ", but there that is " + at(sent[number]).text(),
                {here, at(sent[number])});
  });
}

//===----------------------------------------------------------------------===//
// Rule 5: live activations
//===----------------------------------------------------------------------===//

Result Verifier::verifyLive() {
  if (problem.liveBounds.empty())
    return std::nullopt;
  std::vector<int64_t> live(schedule.ranks.size(), 0);
  return forEach([&](const ActionReference &here) -> Result {
    ActionKind kind = here.action.kind;
    if (kind == ActionKind::Backward || kind == ActionKind::WeightGradient)
      --live[here.rank];
    if (kind != ActionKind::Forward || ++live[here.rank] <= problem.liveBounds[here.rank])
      return std::nullopt;
    // What would have to run first to stay within the bound. There is one: the
    // unit of this F ends later.
    Position release;
    for (int32_t index = here.index + 1, end = schedule.ranks[here.rank].size(); index < end && !release; ++index)
      if (ActionKind later = schedule.ranks[here.rank][index].kind;
          later == ActionKind::Backward || later == ActionKind::WeightGradient)
        release = {here.rank, index};
    return fail(here.text() + " keeps " + Twine(live[here.rank]) + " activations alive; legal: at most " +
                    Twine(problem.liveBounds[here.rank]) + ", so after " + at(release).text(),
                {here, at(release)});
  });
}

std::optional<Diagnostic> ScheduleProblem::verify(const Schedule &schedule) const {
  return Verifier(*this, schedule).run();
}
