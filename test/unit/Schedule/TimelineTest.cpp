//===- TimelineTest.cpp - drawings of a schedule ---------------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each view of a small schedule, and of schedules that strain it.
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"
#include "colo/Schedule/TimelinePrinter.h"
#include "llvm/Support/JSON.h"

using namespace colo::schedule;

namespace {

using Printer = void (*)(const ScheduleProblem &, const Schedule &, const Timeline &, llvm::raw_ostream &);

std::string draw(Printer printer, const ScheduleProblem &problem, const Schedule &schedule) {
  std::string text;
  llvm::raw_string_ostream os(text);
  printer(problem, schedule, simulate(problem, schedule), os);
  return text;
}

void printText(const ScheduleProblem &problem, const Schedule &schedule, const Timeline &timeline,
               llvm::raw_ostream &os) {
  printTimelineText(problem, schedule, timeline, os);
}

void printNarrow(const ScheduleProblem &problem, const Schedule &schedule, const Timeline &timeline,
                 llvm::raw_ostream &os) {
  printTimelineText(problem, schedule, timeline, os, 12);
}

size_t count(llvm::StringRef text, llvm::StringRef part) { return text.count(part); }

std::string firstLine(const std::string &text) { return text.substr(0, text.find('\n')); }

TEST(Timeline, Text) {
  ScheduleProblem problem = makeProblem(2, 2);
  Schedule schedule = mustGenerate("1f1b", problem);
  EXPECT_EQ(draw(printText, problem, schedule), "rank 0 |F0 F1 ......B0    ...B1    |\n"
                                                "rank 1 |...F0 B0    F1 B1    ......|\n"
                                                "makespan 9 mean forwards, 33.3 % idle, one column 0.333333\n"
                                                "rank 0: busy 6, idle 3, at most 2 activations alive\n"
                                                "rank 1: busy 6, idle 3, at most 1 activations alive\n");
}

TEST(Timeline, NarrowTextKeepsKindsOnly) {
  ScheduleProblem problem = makeProblem(2, 2);
  Schedule schedule = mustGenerate("1f1b", problem);
  EXPECT_EQ(firstLine(draw(printNarrow, problem, schedule)), "rank 0 |FF..B0.B1|");
}

TEST(Timeline, TextOfNothingToDo) {
  ScheduleProblem problem = makeProblem(2, 1, 1, {0, 0, 0});
  Schedule schedule = mustGenerate("gpipe", problem);
  EXPECT_EQ(firstLine(draw(printText, problem, schedule)), "rank 0 |.|");
}

TEST(Timeline, SvgHasEveryActionAndEveryBubble) {
  ScheduleProblem problem = makeProblem(3, 4);
  Schedule schedule = mustGenerate("1f1b", problem);
  std::string svg = draw(printTimelineSvg, problem, schedule);
  EXPECT_TRUE(llvm::StringRef(svg).starts_with("<svg xmlns="));
  EXPECT_TRUE(llvm::StringRef(svg).ends_with("</svg>\n"));
  EXPECT_EQ(count(svg, "</title></rect>") - count(svg, "<title>bubble"), schedule.numActions());
  size_t gaps = 0;
  Timeline timeline = simulate(problem, schedule);
  for (const RankTimeline &rank : timeline.ranks) {
    double time = 0;
    for (const Interval &interval : rank.actions) {
      gaps += interval.start > time;
      time = interval.end;
    }
    gaps += timeline.makespan > time;
  }
  EXPECT_GT(gaps, 0u);
  EXPECT_EQ(count(svg, "class=\"bubble\""), gaps);
  EXPECT_EQ(count(svg, "peak 3 activations"), 1u);
  EXPECT_EQ(count(svg, "peak 1 activations"), 1u);
}

TEST(Timeline, TraceIsJsonWithOneEventPerAction) {
  ScheduleProblem problem = makeProblem(2, 2, 2);
  Schedule schedule = insertTransfers(problem, mustGenerate("zbv", problem));
  llvm::Expected<llvm::json::Value> trace = llvm::json::parse(draw(printTimelineTrace, problem, schedule));
  ASSERT_TRUE(static_cast<bool>(trace)) << llvm::toString(trace.takeError());
  const llvm::json::Array *events = trace->getAsObject()->getArray("traceEvents");
  ASSERT_TRUE(events);
  size_t complete = 0;
  double end = 0;
  for (const llvm::json::Value &event : *events) {
    const llvm::json::Object &object = *event.getAsObject();
    if (object.getString("ph") != "X")
      continue;
    ++complete;
    end = std::max(end, *object.getNumber("ts") + *object.getNumber("dur"));
  }
  EXPECT_EQ(complete, schedule.numActions());
  EXPECT_EQ(end, simulate(problem, schedule).makespan * 1e6);
}

TEST(Timeline, SameInputSameBytes) {
  ScheduleProblem problem = makeProblem(4, 8, 2);
  Schedule schedule = insertTransfers(problem, mustGenerate("interleaved", problem));
  for (Printer printer : {Printer(printText), Printer(printTimelineSvg), Printer(printTimelineTrace)})
    EXPECT_EQ(draw(printer, problem, schedule), draw(printer, problem, schedule));
}

} // namespace
