//===- TimelineTrace.cpp - a timeline as a Chrome trace --------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The measured trace of an execution has the same threads under another process,
// so that a viewer shows both above each other.
//
//===----------------------------------------------------------------------===//

#include "colo/Schedule/TimelinePrinter.h"
#include "llvm/Support/JSON.h"

using namespace colo::schedule;
using llvm::StringRef;
namespace json = llvm::json;

static void printName(json::OStream &trace, StringRef what, int64_t thread, const std::string &name) {
  trace.object([&] {
    trace.attribute("ph", "M");
    trace.attribute("name", what);
    trace.attribute("pid", 0);
    trace.attribute("tid", thread);
    trace.attributeObject("args", [&] { trace.attribute("name", name); });
  });
}

static StringRef categoryOf(ActionKind kind) {
  switch (kind) {
  case ActionKind::Forward:
    return "forward";
  case ActionKind::Backward:
    return "backward";
  case ActionKind::InputGradient:
    return "input gradient";
  case ActionKind::WeightGradient:
    return "weight gradient";
  default:
    return isSend(kind) ? "send" : "receive";
  }
}

void colo::schedule::printTimelineTrace(const ScheduleProblem &problem, const Schedule &schedule,
                                        const Timeline &timeline, llvm::raw_ostream &os) {
  json::OStream trace(os);
  trace.objectBegin();
  trace.attribute("displayTimeUnit", "ms");
  trace.attributeBegin("traceEvents");
  trace.arrayBegin();
  printName(trace, "process_name", 0, "predicted");
  for (size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    // Threads 2r and 2r+1: compute and transfers of rank r.
    int64_t thread = 2 * static_cast<int64_t>(rank);
    printName(trace, "thread_name", thread, "rank " + std::to_string(rank));
    printName(trace, "thread_name", thread + 1, "rank " + std::to_string(rank) + " transfers");
    for (size_t index = 0; index < schedule.ranks[rank].size(); ++index) {
      const Action &action = schedule.ranks[rank][index];
      const Interval &interval = timeline.ranks[rank].actions[index];
      trace.object([&] {
        trace.attribute("ph", "X");
        trace.attribute("name", action.text());
        trace.attribute("cat", categoryOf(action.kind));
        trace.attribute("pid", 0);
        trace.attribute("tid", thread + !isCompute(action.kind));
        trace.attribute("ts", interval.start * 1e6);
        trace.attribute("dur", interval.length() * 1e6);
        trace.attributeObject("args", [&] {
          trace.attribute("micro-batch", action.microBatch);
          trace.attribute("stage", problem.virtualStageOf(rank, action.chunk));
        });
      });
    }
  }
  trace.arrayEnd();
  trace.attributeEnd();
  trace.objectEnd();
  os << '\n';
}
