//===- TimelineText.cpp - a timeline as text -------------------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Time is cut in columns of equal length, chosen so that the shortest action has
// room for its label if the width allows and takes whole columns. An action covers the columns in which it
// starts up to that in which it ends.
//
//===----------------------------------------------------------------------===//

#include "colo/Schedule/TimelinePrinter.h"
#include "llvm/Support/Format.h"
#include <algorithm>
#include <cmath>

using namespace colo::schedule;

namespace {

/// What the columns of one drawing share.
struct Scale {
  double timePerColumn = 1;
  size_t columns = 1;

  size_t columnOf(double time) const {
    // Whole columns must not fall one short by rounding.
    double column = std::floor(time / timePerColumn + 1e-6);
    return std::min(columns, static_cast<size_t>(std::max(column, 0.0)));
  }
};

} // namespace

static Scale chooseScale(const Schedule &schedule, const Timeline &timeline, unsigned columns) {
  columns = std::max(columns, 1u);
  double shortest = timeline.makespan;
  size_t widest = 1;
  for (size_t rank = 0; rank < schedule.ranks.size(); ++rank)
    for (size_t index = 0; index < schedule.ranks[rank].size(); ++index) {
      const Action &action = schedule.ranks[rank][index];
      double length = timeline.ranks[rank].actions[index].length();
      if (!isCompute(action.kind) || length <= 0)
        continue;
      shortest = std::min(shortest, length);
      widest = std::max(widest, action.text().size());
    }
  Scale scale;
  if (timeline.makespan <= 0)
    return scale;
  // As many columns for the shortest action as its label and a blank need, or a
  // smaller whole number if the width asks for it.
  double perShortest = std::min(static_cast<double>(widest + 1), std::floor(columns * shortest / timeline.makespan));
  scale.timePerColumn = perShortest >= 1 ? shortest / perShortest : timeline.makespan / columns;
  scale.columns = static_cast<size_t>(std::ceil(timeline.makespan / scale.timePerColumn - 1e-6));
  return scale;
}

static std::string drawRank(const std::vector<Action> &list, const RankTimeline &timeline, const Scale &scale) {
  std::string row(scale.columns, '.');
  for (size_t index = 0; index < list.size(); ++index) {
    if (!isCompute(list[index].kind))
      continue;
    size_t begin = scale.columnOf(timeline.actions[index].start), end = scale.columnOf(timeline.actions[index].end);
    if (begin >= end)
      continue;
    std::string label = list[index].text();
    // A label that does not fit is cut to the kind: a cut number would be wrong.
    if (label.size() > end - begin)
      label.resize(1);
    label.resize(end - begin, ' ');
    row.replace(begin, end - begin, label);
  }
  return row;
}

void colo::schedule::printTimelineText(const ScheduleProblem &problem, const Schedule &schedule,
                                       const Timeline &timeline, llvm::raw_ostream &os, unsigned columns) {
  Scale scale = chooseScale(schedule, timeline, columns);
  size_t rankWidth = std::to_string(schedule.ranks.size() - 1).size();
  for (size_t rank = 0; rank < schedule.ranks.size(); ++rank)
    os << "rank " << llvm::format_decimal(rank, rankWidth) << " |"
       << drawRank(schedule.ranks[rank], timeline.ranks[rank], scale) << "|\n";
  os << llvm::format("makespan %g mean forwards, %.1f %% idle, one column %g\n", timeline.makespan,
                     100 * timeline.bubbleFraction(), scale.timePerColumn);
  for (size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    const RankTimeline &row = timeline.ranks[rank];
    os << "rank " << llvm::format_decimal(rank, rankWidth)
       << llvm::format(": busy %g, idle %g, at most %lld activations alive", row.busy, row.bubble,
                       static_cast<long long>(row.peakLive));
    if (row.peakBytes > 0)
      os << llvm::format(" (%.0f bytes)", row.peakBytes);
    os << "\n";
  }
}
