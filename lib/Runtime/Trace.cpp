//===- Trace.cpp - the last step as a Chrome trace --*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two processes, "predicted" and "measured", with a thread of compute and one of
// transfers a rank, as lib/Schedule/TimelineTrace.cpp has them. The prediction
// knows no seconds: its unit is chosen so that both have the same time of
// compute, and what differs is where ranks wait.
//
//===----------------------------------------------------------------------===//

#include "Trace.h"
#include "Gather.h"
#include "colo/Runtime/OutputFile.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

namespace colo::runtime {

using Json = nlohmann::ordered_json;

namespace {

class TraceWriter {
public:
  explicit TraceWriter(const ColoProgram &program) : program(program) {}

  void addMeasured(const World &world, const std::vector<std::string> &spansOfRanks);
  void addPredicted();
  std::string text() const { return Json{{"displayTimeUnit", "ms"}, {"traceEvents", events}}.dump(1) + "\n"; }

private:
  void name(const char *what, int process, int64_t thread, const std::string &text);
  void addRank(int process, int64_t rank, const std::string &text);
  void add(int process, int64_t rank, const ColoAction &action, int64_t microBatch, double begin, double end);
  static bool isTransfer(const ColoAction &action) { return action.peer >= 0; }

  const ColoProgram &program;
  Json events = Json::array();
  double computeSeconds = 0; ///< measured, mean of the ranks of each stage, summed over stages
};

} // namespace

void TraceWriter::name(const char *what, int process, int64_t thread, const std::string &text) {
  events.push_back({{"ph", "M"}, {"name", what}, {"pid", process}, {"tid", thread}, {"args", {{"name", text}}}});
}

/// Threads 2r and 2r+1: compute and transfers of rank r.
void TraceWriter::addRank(int process, int64_t rank, const std::string &text) {
  name("thread_name", process, 2 * rank, text);
  name("thread_name", process, 2 * rank + 1, text + " transfers");
}

static const char *categoryOf(const std::string &kind) {
  static const std::pair<const char *, const char *> names[] = {
      {"F", "forward"}, {"B", "backward"}, {"I", "input gradient"}, {"W", "weight gradient"}};
  for (auto [letter, text] : names)
    if (kind == letter)
      return text;
  return kind[0] == 'S' ? "send" : "receive";
}

void TraceWriter::add(int process, int64_t rank, const ColoAction &action, int64_t microBatch, double begin,
                      double end) {
  std::string kind = action.kind, text = kind + std::to_string(microBatch);
  if (action.chunk)
    text += "." + std::to_string(action.chunk);
  if (isTransfer(action))
    text += (kind[0] == 'S' ? ">" : "<") + std::to_string(action.peer);
  events.push_back({{"ph", "X"},
                    {"name", text},
                    {"cat", categoryOf(kind)},
                    {"pid", process},
                    {"tid", 2 * rank + isTransfer(action)},
                    {"ts", begin * 1e6},
                    {"dur", (end - begin) * 1e6},
                    {"args", {{"micro-batch", microBatch}, {"stage", action.stage}}}});
}

void TraceWriter::addMeasured(const World &world, const std::vector<std::string> &spansOfRanks) {
  std::vector<std::vector<ActionSpan>> ranks;
  int64_t first = INT64_MAX;
  for (const std::string &bytes : spansOfRanks) {
    std::vector<ActionSpan> &spans = ranks.emplace_back(bytes.size() / sizeof(ActionSpan));
    std::memcpy(spans.data(), bytes.data(), bytes.size());
    for (const ActionSpan &span : spans)
      first = std::min(first, span.begin);
  }
  name("process_name", 1, 0, "measured");
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    Coordinates at = coordinatesOf(program, world, static_cast<int64_t>(rank));
    addRank(1, static_cast<int64_t>(rank), "rank " + std::to_string(rank) + ", stage " + std::to_string(at.stage));
    for (const ActionSpan &span : ranks[rank]) {
      const ColoAction &action = program.actions[span.action];
      add(1, static_cast<int64_t>(rank), action, span.microBatch, 1e-9 * static_cast<double>(span.begin - first),
          1e-9 * static_cast<double>(span.end - first));
      if (!isTransfer(action))
        computeSeconds +=
            1e-9 * static_cast<double>(span.end - span.begin) / static_cast<double>(world.dp * world.tensor);
    }
  }
  computeSeconds /= static_cast<double>(std::max<int64_t>(1, world.microBatches / program.stepMultiple));
}

void TraceWriter::addPredicted() {
  auto each = [&](auto visit) {
    for (int64_t rank = 0; rank < program.pipeline; ++rank)
      for (int64_t i = 0; i < program.stages[rank].predictionCount; ++i)
        visit(rank, program.predictions[program.stages[rank].firstPrediction + i]);
  };
  double compute = 0;
  each([&](int64_t, const ColoPrediction &row) {
    if (!isTransfer(program.actions[row.action]))
      compute += row.end - row.begin;
  });
  double unit = compute > 0 && computeSeconds > 0 ? computeSeconds / compute : 1;
  name("process_name", 0, 0, "predicted");
  for (int64_t rank = 0; rank < program.pipeline; ++rank)
    addRank(0, rank, "stage " + std::to_string(rank));
  each([&](int64_t rank, const ColoPrediction &row) {
    add(0, rank, program.actions[row.action], row.microBatch, row.begin * unit, row.end * unit);
  });
}

Status writeTrace(Rank &rank) {
  const Run &run = rank.shared();
  if (run.options.trace.empty())
    return Status::ok();
  const ActionLog &log = rank.actionLog;
  std::string own(reinterpret_cast<const char *>(log.spans()), log.spanCount() * sizeof(ActionSpan));
  std::vector<std::string> all;
  if (Status status = gather(rank, own, all); status.failed() || rank.index() != 0)
    return status;
  TraceWriter writer(rank.program());
  writer.addMeasured(run.world, all);
  writer.addPredicted();
  return OutputFile::writeText(run.options.trace, writer.text());
}

} // namespace colo::runtime
