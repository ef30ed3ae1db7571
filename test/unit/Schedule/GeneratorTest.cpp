//===- GeneratorTest.cpp - the table of schedules --------------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Small schedules in full, the registry, and the combinations that are illegal.
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"

using namespace colo::schedule;

namespace {

std::string generated(llvm::StringRef name, ScheduleProblem problem) { return toText(mustGenerate(name, problem)); }

std::string errorOf(llvm::StringRef name, ScheduleProblem problem) {
  Diagnostic error;
  EXPECT_FALSE(generate(name, problem, error));
  return error.message;
}

TEST(Generators, Table) {
  std::vector<std::string> names;
  for (const Generator *generator : generators()) {
    names.push_back(generator->name.str());
    EXPECT_EQ(findGenerator(generator->name), generator);
    EXPECT_FALSE(generator->summary.empty());
  }
  EXPECT_EQ(names, (std::vector<std::string>{"gpipe", "1f1b", "interleaved", "zb-h1", "zb-h2", "zbv"}));
  EXPECT_EQ(findGenerator("1F1B"), nullptr);
}

TEST(Generators, GPipe) { EXPECT_EQ(generated("gpipe", makeProblem(2, 2)), "F0,F1,B1,B0\nF0,F1,B1,B0\n"); }

TEST(Generators, OneForwardOneBackward) {
  EXPECT_EQ(generated("1f1b", makeProblem(3, 4)), "F0,F1,F2,B0,F3,B1,B2,B3\n"
                                                  "F0,F1,B0,F2,B1,F3,B2,B3\n"
                                                  "F0,B0,F1,B1,F2,B2,F3,B3\n");
}

TEST(Generators, Interleaved) {
  EXPECT_EQ(generated("interleaved", makeProblem(2, 2, 2)), "F0,F1,F0.1,F1.1,B0.1,B1.1,B0,B1\n"
                                                            "F0,F1,F0.1,B0.1,F1.1,B1.1,B0,B1\n");
}

TEST(Generators, ZeroBubbleH1) {
  EXPECT_EQ(generated("zb-h1", makeProblem(2, 4)), "F0,F1,I0,W0,F2,I1,W1,F3,I2,W2,I3,W3\n"
                                                   "F0,I0,F1,I1,W0,F2,I2,W1,F3,I3,W2,W3\n");
}

TEST(Generators, ZeroBubbleH2) {
  EXPECT_EQ(generated("zb-h2", makeProblem(2, 4)), "F0,F1,F2,I0,W0,F3,I1,W1,I2,W2,I3,W3\n"
                                                   "F0,I0,F1,I1,F2,I2,W0,F3,I3,W1,W2,W3\n");
}

TEST(Generators, ZeroBubbleV) {
  EXPECT_EQ(generated("zbv", makeProblem(2, 3, 2)),
            "F0,F1,F2,F0.1,I0.1,W0.1,F1.1,I1.1,W1.1,I0,W0,F2.1,I2.1,W2.1,I1,W1,I2,W2\n"
            "F0,F0.1,F1,F1.1,I0.1,W0.1,F2,I0,W0,F2.1,I1.1,W1.1,I1,I2.1,I2,W1,W2.1,W2\n");
}

TEST(Generators, SetPlacementAndBounds) {
  ScheduleProblem problem = makeProblem(3, 6, 2);
  mustGenerate("zbv", problem);
  EXPECT_EQ(problem.placement, Placement::Vee);
  EXPECT_EQ(problem.liveBounds, (std::vector<int64_t>{6, 6, 6}));
  problem.liveBounds = {12, 12, 12};
  mustGenerate("interleaved", problem);
  EXPECT_EQ(problem.placement, Placement::Loop);
  EXPECT_EQ(problem.liveBounds, (std::vector<int64_t>{12, 12, 12}));
}

TEST(Generators, IllegalCombinations) {
  EXPECT_EQ(errorOf("2f2b", makeProblem(2, 2)),
            "there is no schedule \"2f2b\"; legal: gpipe, 1f1b, interleaved, zb-h1, zb-h2, zbv");
  EXPECT_EQ(errorOf("interleaved", makeProblem(4, 10, 2)),
            "interleaved runs micro-batches in turns of one for each of the 4 stages, and there are 10; legal: a "
            "multiple of 4, as 8 or 12");
  EXPECT_EQ(errorOf("interleaved", makeProblem(4, 3, 2)),
            "interleaved runs micro-batches in turns of one for each of the 4 stages, and there are 3; legal: a "
            "multiple of 4, as 4");
  EXPECT_EQ(errorOf("zbv", makeProblem(4, 8)),
            "zbv runs each rank's two halves of a V, and there are 1 chunks; legal: 2");
  for (llvm::StringRef name : {"gpipe", "1f1b", "zb-h1", "zb-h2"})
    EXPECT_EQ(errorOf(name, makeProblem(4, 8, 3)),
              "the schedule has 3 chunks; legal: 1 (interleaved takes any number, zbv 2)");
}

std::string checked(ScheduleProblem problem) { return messageOf(problem.check()); }

TEST(Problem, LegalSizes) {
  EXPECT_EQ(checked(makeProblem(4, 8, 2)), "");
  ScheduleProblem problem;
  problem.stages = 0;
  EXPECT_EQ(checked(problem), "the number of stages is 0; legal: 1 to 1048576");
  problem.stages = 1;
  problem.microBatches = -3;
  EXPECT_EQ(checked(problem), "the number of micro-batches is -3; legal: 1 to 1048576");
  problem.microBatches = 1;
  problem.chunks = INT64_MAX;
  EXPECT_EQ(checked(problem), "the number of chunks is 9223372036854775807; legal: 1 to 1048576");
  problem.stages = problem.chunks = problem.microBatches = 1 << 20;
  EXPECT_EQ(checked(problem), "1048576 stages of 1048576 chunks with 1048576 micro-batches are too many; legal: a "
                              "product of at most 16777216");
}

TEST(Problem, LegalCosts) {
  ScheduleProblem problem = makeProblem(2, 2);
  problem.costs.pop_back();
  EXPECT_EQ(checked(problem), "there are 1 stage costs; legal: none, or one for each of the 2 virtual stages");
  problem = makeProblem(2, 2);
  problem.costs[1].forward = -1;
  EXPECT_EQ(checked(problem), "the time of F of virtual stage 1 is -1.00; legal: a finite number of at least 0");
  problem = makeProblem(2, 2);
  problem.costs[0].weightActivation = 2;
  EXPECT_EQ(checked(problem), "virtual stage 0 keeps more for W than F stored; legal: at most its activation");
  problem = makeProblem(2, 2);
  problem.transferTimes = {1, 1};
  EXPECT_EQ(checked(problem),
            "there are 2 transfer times; legal: none, or one for each of the 1 borders between virtual stages");
  problem = makeProblem(2, 2);
  problem.liveBounds = {2};
  EXPECT_EQ(checked(problem), "there are 1 bounds on live micro-batches; legal: none, or one for each of the 2 stages");
  problem.liveBounds = {2, 0};
  EXPECT_EQ(checked(problem), "rank 1 may keep 0 live micro-batches; legal: at least 1");
  problem = makeProblem(2, 2, 3);
  problem.placement = Placement::Vee;
  EXPECT_EQ(checked(problem), "the V placement has 3 chunks; legal: 2");
}

TEST(Problem, Placement) {
  ScheduleProblem problem = makeProblem(3, 1, 2);
  std::vector<int32_t> loop, vee;
  for (int64_t stage = 0; stage < 6; ++stage)
    loop.push_back(problem.rankOf(stage));
  problem.placement = Placement::Vee;
  for (int64_t stage = 0; stage < 6; ++stage) {
    vee.push_back(problem.rankOf(stage));
    EXPECT_EQ(problem.virtualStageOf(problem.rankOf(stage), problem.chunkOf(stage)), stage);
  }
  EXPECT_EQ(loop, (std::vector<int32_t>{0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(vee, (std::vector<int32_t>{0, 1, 2, 2, 1, 0}));
}

} // namespace
