//===- TimelineSvg.cpp - a timeline as a drawing ---------------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Plain SVG 1.1 without scripts or fonts of its own. Each action has a title, which
// browsers show under the pointer.
//
//===----------------------------------------------------------------------===//

#include "colo/Schedule/TimelinePrinter.h"
#include "llvm/Support/Format.h"
#include <algorithm>

using namespace colo::schedule;
using llvm::format;
using llvm::StringRef;

// In pixels.
static constexpr double leftMargin = 70, rightMargin = 190, topMargin = 40, laneHeight = 24, lanePitch = 30;
static constexpr double minDrawing = 600, maxDrawing = 6000, pixelsPerAction = 22, pixelsPerLetter = 6.5;

static StringRef colourOf(const Action &action) {
  // Odd chunks in a lighter shade.
  bool light = action.chunk % 2 == 1;
  switch (action.kind) {
  case ActionKind::Forward:
    return light ? "#9ec5f4" : "#5b9bd5";
  case ActionKind::Backward:
    return light ? "#a9dba5" : "#6bb565";
  case ActionKind::InputGradient:
    return light ? "#9fd9cf" : "#52b3a4";
  default:
    return light ? "#d9c3ec" : "#a985cf";
  }
}

static void printLegend(llvm::raw_ostream &os, const Timeline &timeline) {
  os << format("<text x=\"%g\" y=\"16\">makespan %g mean forwards, %.1f %% idle</text>\n", leftMargin,
               timeline.makespan, 100 * timeline.bubbleFraction());
  double x = leftMargin + 260;
  const std::pair<ActionKind, StringRef> kinds[] = {{ActionKind::Forward, "forward"},
                                                    {ActionKind::Backward, "backward"},
                                                    {ActionKind::InputGradient, "input gradient"},
                                                    {ActionKind::WeightGradient, "weight gradient"}};
  auto entry = [&](StringRef colour, StringRef name) {
    os << format("<rect x=\"%g\" y=\"6\" width=\"12\" height=\"12\" fill=\"", x) << colour << "\"/>"
       << format("<text x=\"%g\" y=\"16\">", x + 16) << name << "</text>\n";
    x += 30 + pixelsPerLetter * static_cast<double>(name.size());
  };
  for (auto [kind, name] : kinds) {
    Action action;
    action.kind = kind;
    entry(colourOf(action), name);
  }
  entry("url(#bubble)", "bubble");
}

namespace {

/// Draws the lane of one rank.
class Lane {
public:
  Lane(llvm::raw_ostream &os, double top, double scale) : os(os), top(top), scale(scale) {}

  void bubble(double start, double end) {
    if (end > start)
      rectangle(start, end, "url(#bubble)", "class=\"bubble\"", format("bubble, %g", end - start));
  }

  template <typename Title>
  void rectangle(double start, double end, StringRef fill, StringRef attributes, const Title &title) {
    os << format("<rect x=\"%.2f\" y=\"%g\" width=\"%.2f\" height=\"%g\" fill=\"", leftMargin + start * scale, top,
                 (end - start) * scale, laneHeight)
       << fill << "\" " << attributes << "><title>" << title << "</title></rect>\n";
  }

  void action(const Action &action, const Interval &interval) {
    std::string text = action.text();
    rectangle(interval.start, interval.end, colourOf(action), "stroke=\"#ffffff\"",
              text + ", " + number(interval.start) + " to " + number(interval.end));
    if (interval.length() * scale >= pixelsPerLetter * static_cast<double>(text.size()))
      os << format("<text x=\"%.2f\" y=\"%g\" text-anchor=\"middle\">",
                   leftMargin + (interval.start + interval.end) / 2 * scale, top + laneHeight - 8)
         << text << "</text>\n";
  }

private:
  static std::string number(double value) {
    std::string text;
    llvm::raw_string_ostream(text) << format("%g", value);
    return text;
  }

  llvm::raw_ostream &os;
  double top, scale;
};

} // namespace

static void printLane(const Schedule &schedule, const Timeline &timeline, size_t rank, double scale, double width,
                      llvm::raw_ostream &os) {
  const RankTimeline &row = timeline.ranks[rank];
  double top = topMargin + lanePitch * static_cast<double>(rank), time = 0;
  os << format("<text x=\"6\" y=\"%g\">rank ", top + laneHeight - 8) << rank << "</text>\n";
  Lane lane(os, top, scale);
  for (size_t index = 0; index < row.actions.size(); ++index) {
    if (!isCompute(schedule.ranks[rank][index].kind))
      continue;
    lane.bubble(time, row.actions[index].start);
    lane.action(schedule.ranks[rank][index], row.actions[index]);
    time = row.actions[index].end;
  }
  lane.bubble(time, timeline.makespan);
  os << format("<text x=\"%g\" y=\"%g\">peak %lld activations", leftMargin + width + 8, top + laneHeight - 8,
               static_cast<long long>(row.peakLive));
  if (row.peakBytes > 0)
    os << format(", %.0f bytes", row.peakBytes);
  os << "</text>\n";
}

void colo::schedule::printTimelineSvg(const ScheduleProblem &problem, const Schedule &schedule,
                                      const Timeline &timeline, llvm::raw_ostream &os) {
  size_t longest = 1;
  for (const std::vector<Action> &list : schedule.ranks)
    longest = std::max(longest, list.size());
  double width = std::min(maxDrawing, std::max(minDrawing, pixelsPerAction * static_cast<double>(longest)));
  double scale = timeline.makespan > 0 ? width / timeline.makespan : 0;
  os << format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%g\" height=\"%g\" font-family=\"sans-serif\" "
               "font-size=\"11\">\n",
               leftMargin + width + rightMargin, topMargin + lanePitch * static_cast<double>(schedule.ranks.size()))
     << "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
     << "<defs><pattern id=\"bubble\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">"
        "<rect width=\"6\" height=\"6\" fill=\"#fde3e1\"/><path d=\"M0 6L6 0\" stroke=\"#e06055\"/></pattern></defs>\n";
  printLegend(os, timeline);
  for (size_t rank = 0; rank < schedule.ranks.size(); ++rank)
    printLane(schedule, timeline, rank, scale, width, os);
  os << "</svg>\n";
}
