//===- FormulaTest.cpp - spans and stored activations of each schedule ------ ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The closed forms of Generators.h against the simulator, exactly, for up to 16
// stages, 64 micro-batches and 4 chunks.
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"
#include <algorithm>

using namespace colo::schedule;

namespace {

/// Equal times, F shorter and longer than W, W shorter and longer than I.
const Times someTimes[] = {{1, 1, 1}, {2, 3, 1}, {5, 4, 3}, {1, 3, 2}, {1, 1, 3}};

/// Verifies and simulates `name` and compares with the closed forms.
template <typename Bubble, typename Stored>
void expectFormulas(llvm::StringRef name, ScheduleProblem problem, Bubble bubble, Stored stored) {
  Schedule schedule = mustGenerate(name, problem);
  std::optional<Diagnostic> error = problem.verify(schedule);
  ASSERT_FALSE(error) << messageOf(error);
  Timeline timeline = simulate(problem, schedule);
  std::string where = name.str() + " p=" + std::to_string(problem.stages) +
                      " m=" + std::to_string(problem.microBatches) + " v=" + std::to_string(problem.chunks);
  StageCost cost = problem.costOf(0);
  double work = static_cast<double>(problem.microBatches * problem.chunks) *
                (cost.forward + cost.inputGradient + cost.weightGradient);
  ASSERT_EQ(timeline.makespan, work + bubble(problem)) << where;
  for (int64_t rank = 0; rank < problem.stages; ++rank) {
    ASSERT_EQ(timeline.ranks[rank].busy, work) << where;
    ASSERT_EQ(timeline.ranks[rank].bubble, bubble(problem)) << where;
    ASSERT_EQ(timeline.ranks[rank].peakLive, stored(problem, rank)) << where << " rank " << rank;
    ASSERT_EQ(problem.liveBounds[rank], stored(problem, rank)) << where << " rank " << rank;
  }
}

template <typename Bubble, typename Stored>
void expectFormulasEverywhere(llvm::StringRef name, Times times, Bubble bubble, Stored stored) {
  for (int64_t stages = 1; stages <= 16; ++stages)
    for (int64_t microBatches = 1; microBatches <= 64; ++microBatches)
      expectFormulas(name, makeProblem(stages, microBatches, 1, times), bubble, stored);
}

double sumOf(Times times) { return times.f + times.i + times.w; }

TEST(Formulas, GPipe) {
  for (Times times : someTimes)
    expectFormulasEverywhere(
        "gpipe", times, [&](const ScheduleProblem &p) { return (p.stages - 1) * sumOf(times); },
        [](const ScheduleProblem &p, int64_t) { return p.microBatches; });
}

TEST(Formulas, OneForwardOneBackward) {
  for (Times times : someTimes)
    expectFormulasEverywhere(
        "1f1b", times, [&](const ScheduleProblem &p) { return (p.stages - 1) * sumOf(times); },
        [](const ScheduleProblem &p, int64_t rank) { return std::min(p.microBatches, p.stages - rank); });
}

// Times of one chunk: those of the rank over v.
TEST(Formulas, Interleaved) {
  for (Times times : someTimes)
    for (int64_t chunks = 1; chunks <= 4; ++chunks)
      for (int64_t stages = 1; stages <= 16; ++stages)
        for (int64_t microBatches = stages; microBatches <= 64; microBatches += stages)
          expectFormulas(
              "interleaved", makeProblem(stages, microBatches, chunks, times),
              [&](const ScheduleProblem &p) { return (p.stages - 1) * sumOf(times); },
              [](const ScheduleProblem &p, int64_t rank) {
                return std::min(p.chunks * p.stages + p.stages - 1 - 2 * rank, p.chunks * p.microBatches);
              });
}

/// What split backward leaves of the bubble of 1F1B. Each activation that a rank
/// may keep beyond the first fills the gap with a W, as far as the F that comes
/// with it leaves room; the last rank cannot start before p-1 forwards.
double zeroBubble(const ScheduleProblem &p, Times times, int64_t bound) {
  double gap = (p.stages - 1) * (times.f + times.i);
  double filled = (std::min(p.microBatches, bound) - 1) * std::min(times.f, times.w);
  return std::max((p.stages - 1) * times.f, gap - filled);
}

TEST(Formulas, ZeroBubbleH1) {
  for (Times times : someTimes)
    expectFormulasEverywhere(
        "zb-h1", times, [&](const ScheduleProblem &p) { return zeroBubble(p, times, p.stages); },
        [](const ScheduleProblem &p, int64_t) { return std::min(p.microBatches, p.stages); });
}

TEST(Formulas, ZeroBubbleH2) {
  for (Times times : someTimes)
    expectFormulasEverywhere(
        "zb-h2", times, [&](const ScheduleProblem &p) { return zeroBubble(p, times, 2 * p.stages - 1); },
        [](const ScheduleProblem &p, int64_t) { return std::min(p.microBatches, 2 * p.stages - 1); });
}

// With W no longer than F and I and at least as many micro-batches as the bound,
// these are the published forms: (p-1)(TF+TI-TW), and (p-1)max(TF, TF+TI-2TW)
// with a barrier between steps.
TEST(Formulas, ZeroBubbleAsPublished) {
  for (Times times : {Times{1, 1, 1}, Times{2, 2, 1}, Times{3, 3, 2}, Times{5, 4, 3}, Times{4, 5, 2}}) {
    ScheduleProblem problem = makeProblem(8, 16, 1, times);
    EXPECT_EQ(zeroBubble(problem, times, 8), 7 * (times.f + times.i - times.w));
    EXPECT_EQ(zeroBubble(problem, times, 15), 7 * std::max(times.f, times.f + times.i - 2 * times.w));
  }
}

// Without a barrier only what a rank idles between its own first and last action
// counts: nothing for H2 and the V at equal times.
TEST(Formulas, NoStallWithoutBarrier) {
  for (int64_t stages = 1; stages <= 16; ++stages)
    for (int64_t microBatches = 2 * stages - 1; microBatches <= 64; ++microBatches)
      for (llvm::StringRef name : {"zb-h2", "zbv"}) {
        ScheduleProblem problem = makeProblem(stages, microBatches, name == "zbv" ? 2 : 1);
        Timeline timeline = simulate(problem, mustGenerate(name, problem));
        for (int64_t rank = 0; rank < stages; ++rank)
          ASSERT_EQ(timeline.ranks[rank].stall, 0) << name.str() << " p=" << stages << " m=" << microBatches;
      }
}

TEST(Formulas, ZeroBubbleVAtEqualTimes) {
  for (int64_t stages = 1; stages <= 16; ++stages)
    for (int64_t microBatches = 2 * stages - 1; microBatches <= 64; ++microBatches)
      for (double time : {1.0, 3.0})
        expectFormulas(
            "zbv", makeProblem(stages, microBatches, 2, {time, time, time}),
            [&](const ScheduleProblem &p) { return (p.stages - 1) * time; },
            [](const ScheduleProblem &p, int64_t) { return 2 * p.stages; });
}

TEST(Formulas, ZeroBubbleVKeepsItsBoundWithFewMicroBatches) {
  for (int64_t stages = 1; stages <= 16; ++stages)
    for (int64_t microBatches = 1; microBatches < 2 * stages - 1; ++microBatches) {
      ScheduleProblem problem = makeProblem(stages, microBatches, 2);
      std::optional<Diagnostic> error = problem.verify(mustGenerate("zbv", problem));
      ASSERT_FALSE(error) << messageOf(error);
    }
}

TEST(Formulas, BytesFollowTheSplitOfBackward) {
  // After I only the part that W needs is kept: with F0 F1 I0 I1 W0 W1 the peak
  // is two whole activations, with F0 I0 F1 I1 W0 W1 it is one and a part.
  ScheduleProblem problem = makeProblem(1, 2);
  problem.costs[0].activation = 10;
  problem.costs[0].weightActivation = 4;
  EXPECT_EQ(simulate(problem, mustRead("F0,F1,I0,I1,W0,W1")).ranks[0].peakBytes, 20);
  EXPECT_EQ(simulate(problem, mustRead("F0,I0,F1,I1,W0,W1")).ranks[0].peakBytes, 14);
  EXPECT_EQ(simulate(problem, mustRead("F0,B0,F1,B1")).ranks[0].peakBytes, 10);
  EXPECT_EQ(simulate(problem, mustRead("F0,I0,F1,I1,W0,W1")).ranks[0].peakLive, 2);
}

TEST(Formulas, UnevenStagesAndTransfers) {
  // Two stages of 1 and 3 seconds forward, 2 and 5 backward, 4 between them, one
  // micro-batch: nothing overlaps.
  ScheduleProblem problem = makeProblem(2, 1);
  problem.costs[0] = {1, 1, 1, 1, 1};
  problem.costs[1] = {3, 3, 2, 1, 1};
  problem.transferTimes = {4};
  Schedule schedule = mustGenerate("1f1b", problem);
  EXPECT_EQ(simulate(problem, schedule).makespan, 1 + 4 + 3 + 5 + 4 + 2);
  EXPECT_EQ(simulate(problem, insertTransfers(problem, schedule)).makespan, 1 + 4 + 3 + 5 + 4 + 2);
}

} // namespace
