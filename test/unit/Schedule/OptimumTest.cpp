//===- OptimumTest.cpp - against all schedules of tiny problems ------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tries every order of every rank. No generator may beat the best schedule within
// its own bound on activations, which would show a wrong simulation, and those that
// are known to be optimal must reach it.
//
//===----------------------------------------------------------------------===//

#include "ReferenceCheck.h"
#include "TestSupport.h"
#include <functional>
#include <limits>

using namespace colo::schedule;

namespace {

/// All orders of a rank's actions that respect its own dependencies, keep the
/// micro-batches of each kind in order, and have at most `bound` alive.
std::vector<std::vector<Action>> ordersOf(int64_t microBatches, bool split, int64_t bound) {
  std::vector<ActionKind> kinds = {ActionKind::Forward, ActionKind::Backward};
  if (split)
    kinds = {ActionKind::Forward, ActionKind::InputGradient, ActionKind::WeightGradient};
  std::vector<std::vector<Action>> orders;
  std::vector<Action> list;
  std::vector<int64_t> counts(kinds.size(), 0);
  std::function<void()> extend = [&] {
    if (counts.back() == microBatches)
      orders.push_back(list);
    for (size_t i = 0; i < kinds.size(); ++i) {
      bool allowed = i == 0 ? counts[0] < microBatches && counts[0] - counts.back() < bound : counts[i] < counts[i - 1];
      if (!allowed)
        continue;
      Action action;
      action.kind = kinds[i];
      action.microBatch = static_cast<int32_t>(counts[i]++);
      list.push_back(action);
      extend();
      list.pop_back();
      --counts[i];
    }
  };
  extend();
  return orders;
}

/// The least makespan of all schedules within the problem's bounds.
double optimum(const ScheduleProblem &problem, bool split) {
  std::vector<std::vector<std::vector<Action>>> orders;
  for (int64_t rank = 0; rank < problem.stages; ++rank)
    orders.push_back(ordersOf(problem.microBatches, split, problem.liveBounds[rank]));
  double best = std::numeric_limits<double>::infinity();
  Schedule schedule;
  schedule.ranks.resize(problem.stages);
  std::function<void(int64_t)> choose = [&](int64_t rank) {
    if (rank == problem.stages) {
      best = std::min(best, referenceMakespan(problem, schedule));
      return;
    }
    for (const std::vector<Action> &order : orders[rank]) {
      schedule.ranks[rank] = order;
      choose(rank + 1);
    }
  };
  choose(0);
  return best;
}

void compare(llvm::StringRef name, Times times, bool optimal) {
  bool split = findGenerator(name)->splitsBackward;
  for (int64_t stages = 1; stages <= 3; ++stages)
    for (int64_t microBatches = 1; microBatches <= (split && stages == 3 ? 2 : 3); ++microBatches) {
      ScheduleProblem problem = makeProblem(stages, microBatches, 1, times);
      Schedule schedule = mustGenerate(name, problem);
      double makespan = simulate(problem, schedule).makespan, best = optimum(problem, split);
      EXPECT_EQ(makespan, referenceMakespan(problem, schedule));
      EXPECT_LE(best, makespan) << name.str() << " p=" << stages << " m=" << microBatches;
      if (optimal) {
        EXPECT_EQ(best, makespan) << name.str() << " p=" << stages << " m=" << microBatches;
      }
    }
}

TEST(Optimum, OneForwardOneBackwardReachesIt) {
  compare("1f1b", {1, 1, 1}, true);
  compare("1f1b", {2, 3, 1}, true);
  compare("1f1b", {5, 1, 1}, true);
}

TEST(Optimum, GPipeReachesIt) { compare("gpipe", {1, 1, 1}, true); }

TEST(Optimum, ZeroBubbleH1) {
  compare("zb-h1", {1, 1, 1}, true);
  compare("zb-h1", {3, 4, 2}, true);
  compare("zb-h1", {1, 3, 2}, false);
}

TEST(Optimum, ZeroBubbleH2) {
  compare("zb-h2", {1, 1, 1}, true);
  compare("zb-h2", {2, 2, 1}, true);
  compare("zb-h2", {1, 3, 2}, false);
}

TEST(Optimum, SimulatorAgreesOnUnevenProblems) {
  for (const Generator *generator : generators())
    for (int64_t stages = 1; stages <= 4; ++stages) {
      bool several = generator->name == "interleaved" || generator->name == "zbv";
      ScheduleProblem problem = makeProblem(stages, 2 * stages, several ? 2 : 1);
      for (int64_t stage = 0; stage < problem.numVirtualStages(); ++stage)
        problem.costs[stage] = {double(1 + stage * 7 % 5), double(1 + stage * 3 % 4), double(stage % 3), 1, 1};
      for (int64_t stage = 0; stage + 1 < problem.numVirtualStages(); ++stage)
        problem.transferTimes.push_back(double(stage * 5 % 3));
      Schedule schedule = mustGenerate(generator->name, problem);
      EXPECT_EQ(simulate(problem, schedule).makespan, referenceMakespan(problem, schedule)) << generator->name.str();
    }
}

} // namespace
