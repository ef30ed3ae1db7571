//===- TransfersTest.cpp - inserted sends and receives ---------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// They are right for every schedule, cost no time where transfers take none, and go
// together where they cross.
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"
#include <chrono>

using namespace colo::schedule;

namespace {

// A value leaves as soon as it is made. Where both ranks have one for each other
// and nothing else to do, they go together.
TEST(Transfers, CrossingOnesAreGrouped) {
  ScheduleProblem problem = makeProblem(2, 3);
  Schedule schedule = insertTransfers(problem, mustGenerate("1f1b", problem));
  EXPECT_EQ(toText(schedule), "F0,SA0>1,F1,SA1>1,RG0<1,B0,F2,RG1<1+SA2>1,B1,RG2<1,B2\n"
                              "RA0<0,F0,RA1<0,B0,SG0>0,F1,B1,SG1>0+RA2<0,F2,B2,SG2>0\n");
}

TEST(Transfers, TurnOfTheVIsLocal) {
  ScheduleProblem problem = makeProblem(2, 1, 2);
  Schedule schedule = insertTransfers(problem, mustGenerate("zbv", problem));
  EXPECT_EQ(toText(schedule), "F0,SA0>1,RA0.1<1,F0.1,I0.1,SG0.1>1,W0.1,RG0<1,I0,W0\n"
                              "RA0<0,F0,F0.1,SA0.1>0,RG0.1<0,I0.1,W0.1,I0,SG0>0,W0\n");
}

TEST(Transfers, OneRankHasNone) {
  ScheduleProblem problem = makeProblem(1, 3);
  Schedule schedule = mustGenerate("1f1b", problem);
  EXPECT_EQ(insertTransfers(problem, schedule), schedule);
}

TEST(Transfers, RightAndFreeForEverySchedule) {
  for (const Generator *generator : generators())
    for (int64_t stages = 1; stages <= 8; ++stages)
      for (int64_t microBatches : {stages, 2 * stages, 5 * stages})
        for (Times times : {Times{1, 1, 1}, Times{2, 3, 1}, Times{0, 0, 0}}) {
          bool several = generator->name == "interleaved" || generator->name == "zbv";
          ScheduleProblem problem = makeProblem(stages, microBatches, several ? 2 : 1, times);
          Schedule schedule = mustGenerate(generator->name, problem);
          Schedule spelt = insertTransfers(problem, schedule);
          std::optional<Diagnostic> error = problem.verify(spelt);
          ASSERT_FALSE(error) << generator->name.str() << ": " << messageOf(error) << "\n" << toText(spelt);
          EXPECT_EQ(removeTransfers(spelt), schedule);
          EXPECT_EQ(simulate(problem, spelt).makespan, simulate(problem, schedule).makespan);
          // (pv-1)m activations and as many gradients, less the turn of a V.
          size_t borders = stages * problem.chunks - 1 - (problem.placement == Placement::Vee);
          if (stages > 1) {
            EXPECT_EQ(spelt.numActions() - schedule.numActions(), 4 * borders * microBatches);
          }
        }
}

TEST(Transfers, RightWithUnevenStagesAndTransferTimes) {
  for (const Generator *generator : generators())
    for (int64_t stages = 2; stages <= 6; ++stages) {
      bool several = generator->name == "interleaved" || generator->name == "zbv";
      ScheduleProblem problem = makeProblem(stages, 2 * stages, several ? 2 : 1);
      for (int64_t stage = 0; stage < problem.numVirtualStages(); ++stage)
        problem.costs[stage] = {double(1 + stage * 7 % 5), double(1 + stage * 3 % 4), double(stage % 3), 1, 1};
      problem.transferTimes.assign(problem.numVirtualStages() - 1, 0.25);
      Schedule schedule = mustGenerate(generator->name, problem);
      Schedule spelt = insertTransfers(problem, schedule);
      EXPECT_FALSE(problem.verify(spelt)) << messageOf(problem.verify(spelt));
      EXPECT_GE(simulate(problem, spelt).makespan, simulate(problem, schedule).makespan);
    }
}

// All that a compile does with a schedule of 64 stages and 512 micro-batches. The
// bound on time is far above what it takes, and far below what anything worse
// than linear would.
TEST(Transfers, LargeScheduleInLinearTime) {
  for (const Generator *generator : generators()) {
    auto begin = std::chrono::steady_clock::now();
    ScheduleProblem problem = makeProblem(64, 512, generator->name == "zbv" ? 2 : 1);
    Schedule schedule = mustGenerate(generator->name, problem);
    Schedule spelt = insertTransfers(problem, schedule);
    EXPECT_FALSE(problem.verify(spelt));
    EXPECT_GT(simulate(problem, spelt).makespan, 0);
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    EXPECT_LT(seconds.count(), 20) << generator->name.str();
    RecordProperty(generator->name.str(), std::to_string(seconds.count()));
  }
}

} // namespace
