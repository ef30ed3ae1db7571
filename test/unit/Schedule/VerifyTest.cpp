//===- VerifyTest.cpp - each rule of a schedule, broken once ---------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The messages are the specification: the fact, the legal values and the two
// actions involved.
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"

using namespace colo::schedule;

namespace {

std::string verified(const ScheduleProblem &problem, llvm::StringRef text) {
  return messageOf(problem.verify(mustRead(text)));
}

TEST(Verify, AcceptsWithAndWithoutTransfers) {
  ScheduleProblem problem = makeProblem(2, 1);
  EXPECT_EQ(verified(problem, "F0,B0\nF0,B0"), "");
  EXPECT_EQ(verified(problem, "F0,I0,W0\nF0,B0"), "");
  EXPECT_EQ(verified(problem, "F0,SA0>1,RG0<1,B0\nRA0<0,F0,B0,SG0>0"), "");
}

TEST(Verify, OneListPerStage) {
  EXPECT_EQ(verified(makeProblem(2, 1), "F0,B0"),
            "the schedule has 1 lists of actions; legal: 2, one for each pipeline stage");
}

TEST(Verify, NumbersInRange) {
  EXPECT_EQ(verified(makeProblem(1, 2), "F0,F2,B0,B2"), "rank 0, action 1 (F2) names micro-batch 2; legal: 0 to 1");
  EXPECT_EQ(verified(makeProblem(1, 1), "F0.1,B0"), "rank 0, action 0 (F0.1) names chunk 1; legal: 0 to 0");
}

TEST(Verify, ActionTwice) {
  EXPECT_EQ(verified(makeProblem(1, 1), "F0,B0,F0"), "rank 0, action 2 (F0) was run before: rank 0, action 0 (F0)");
  EXPECT_EQ(verified(makeProblem(1, 1), "F0,B0,W0"),
            "rank 0, action 2 (W0) and rank 0, action 1 (B0) compute the same gradient; legal: one B, or one I and one "
            "W");
}

TEST(Verify, ActionMissing) {
  EXPECT_EQ(verified(makeProblem(1, 2), "F0,B0"), "rank 0 never runs F of micro-batch 1");
  EXPECT_EQ(verified(makeProblem(1, 1), "B0"),
            "rank 0 never runs F of micro-batch 0, which rank 0, action 0 (B0) belongs to");
  EXPECT_EQ(verified(makeProblem(1, 1, 2), "F0,F0.1,B0"),
            "rank 0 never runs B, or I and W, of micro-batch 0, chunk 1, which rank 0, action 1 (F0.1) belongs to");
  EXPECT_EQ(verified(makeProblem(1, 1), "F0,I0"),
            "rank 0 never runs W of micro-batch 0, which rank 0, action 1 (I0) belongs to");
  EXPECT_EQ(verified(makeProblem(1, 1), "F0,W0"),
            "rank 0 never runs I of micro-batch 0, which rank 0, action 1 (W0) belongs to");
}

TEST(Verify, OrderWithinRank) {
  EXPECT_EQ(verified(makeProblem(1, 1), "B0,F0"),
            "rank 0, action 0 (B0) runs before rank 0, action 1 (F0), whose result it uses");
  EXPECT_EQ(verified(makeProblem(1, 1), "F0,W0,I0"),
            "rank 0, action 1 (W0) runs before rank 0, action 2 (I0), whose result it uses");
  EXPECT_EQ(verified(makeProblem(1, 1, 2), "F0.1,F0,B0.1,B0"),
            "rank 0, action 0 (F0.1) runs before rank 0, action 1 (F0), whose result it uses");
  EXPECT_EQ(verified(makeProblem(2, 1), "SA0>1,F0,RG0<1,B0\nRA0<0,F0,B0,SG0>0"),
            "rank 0, action 0 (SA0>1) runs before rank 0, action 1 (F0), whose result it uses");
  EXPECT_EQ(verified(makeProblem(2, 1), "F0,SA0>1,B0,RG0<1\nRA0<0,F0,B0,SG0>0"),
            "rank 0, action 2 (B0) runs before rank 0, action 3 (RG0<1), whose result it uses");
}

TEST(Verify, DeadlockOfCompute) {
  // Each rank begins with what the other one has to make first.
  EXPECT_EQ(verified(makeProblem(2, 2), "F1,B1,F0,B0\nF0,B0,F1,B1"),
            "deadlock: rank 0, action 1 (B1) waits for rank 1, action 3 (B1), behind rank 1, action 0 (F0), which in "
            "turn waits for it");
}

TEST(Verify, DeadlockUnderRendezvous) {
  // Both ranks send before they receive. Buffers would hide it.
  ScheduleProblem problem = makeProblem(2, 2);
  std::string stuck = "F0,SA0>1,F1,SA1>1,RG0<1,B0,RG1<1,B1\n"
                      "RA0<0,F0,B0,SG0>0,RA1<0,F1,B1,SG1>0";
  EXPECT_EQ(verified(problem, stuck), "deadlock: rank 0, action 3 (SA1>1) waits for rank 1, action 4 (RA1<0), behind "
                                      "rank 1, action 3 (SG0>0), which in turn waits for it");
  std::string grouped = "F0,SA0>1,F1,SA1>1+RG0<1,B0,RG1<1,B1\n"
                        "RA0<0,F0,B0,SG0>0+RA1<0,F1,B1,SG1>0";
  EXPECT_EQ(verified(problem, grouped), "");
}

TEST(Verify, DiagnosticNamesBothActions) {
  std::optional<Diagnostic> error = makeProblem(1, 1).verify(mustRead("B0,F0"));
  ASSERT_TRUE(error);
  ASSERT_EQ(error->actions.size(), 2u);
  EXPECT_EQ(error->actions[0].text(), "rank 0, action 0 (B0)");
  EXPECT_EQ(error->actions[1].text(), "rank 0, action 1 (F0)");
}

TEST(Verify, TransferToWrongRank) {
  EXPECT_EQ(verified(makeProblem(3, 1), "F0,SA0>2,RG0<1,B0\nRA0<0,F0,SA0>2,RG0<2,B0,SG0>0\nRA0<1,F0,B0,SG0>1"),
            "rank 0, action 1 (SA0>2) names rank 2; legal: 1, which runs virtual stage 1");
  EXPECT_EQ(verified(makeProblem(2, 1), "SG0>1,F0,SA0>1,RG0<1,B0\nRA0<0,F0,B0,SG0>0"),
            "rank 0, action 0 (SG0>1) has no counterpart: virtual stage 0 is the first one");
  EXPECT_EQ(verified(makeProblem(1, 1, 2), "F0,SA0>0,F0.1,B0.1,B0"),
            "rank 0, action 1 (SA0>0) has no counterpart: virtual stage 1 runs on the same rank");
}

TEST(Verify, TransferMissing) {
  EXPECT_EQ(verified(makeProblem(2, 1), "F0,SA0>1,RG0<1,B0\nRA0<0,F0,B0"),
            "rank 1 never runs SG0>0, which rank 0, action 2 (RG0<1) waits for");
  EXPECT_EQ(verified(makeProblem(2, 1), "F0,SA0>1,B0\nRA0<0,F0,B0,SG0>0"),
            "rank 0 never runs RG0<1, which rank 0, action 2 (B0) waits for");
}

TEST(Verify, TransfersInOneOrder) {
  EXPECT_EQ(verified(makeProblem(2, 2), "F0,F1,SA0>1,SA1>1,RG0<1,RG1<1,B0,B1\n"
                                        "RA1<0,RA0<0,F0,F1,B0,B1,SG0>0,SG1>0"),
            "rank 1, action 0 (RA1<0) is transfer 0 from rank 0 to rank 1, but there that is rank 0, action 2 (SA0>1)");
}

TEST(Verify, GroupsHoldTransfersOnly) {
  Schedule schedule = mustRead("F0,B0");
  schedule.ranks[0][1].grouped = true;
  EXPECT_EQ(messageOf(makeProblem(1, 1).verify(schedule)),
            "rank 0, action 1 (B0) is grouped with the action before it; legal: transfers, with transfers");
}

TEST(Verify, LiveMicroBatches) {
  ScheduleProblem problem = makeProblem(1, 3);
  problem.liveBounds = {2};
  EXPECT_EQ(verified(problem, "F0,F1,B0,F2,B1,B2"), "");
  EXPECT_EQ(verified(problem, "F0,F1,F2,B0,B1,B2"), "rank 0, action 2 (F2) keeps 3 activations alive; legal: at most "
                                                    "2, so after rank 0, action 3 (B0)");
  EXPECT_EQ(verified(problem, "F0,I0,F1,I1,F2,I2,W0,W1,W2"), "rank 0, action 4 (F2) keeps 3 activations alive; legal: "
                                                             "at most 2, so after rank 0, action 6 (W0)");
}

} // namespace
