//===- PipeOps.cpp - stages and schedules -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Pipe/PipeDialect.h"
#include "colo/Schedule/ScheduleFile.h"
#include "colo/Schedule/TimelinePrinter.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace colo;
using namespace colo::pipe;

//===----------------------------------------------------------------------===//
// enter
//===----------------------------------------------------------------------===//

LogicalResult EnterOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType()), result = cast<RankedTensorType>(getResult().getType());
  if (input.getShape() != result.getShape() || input.getElementType() != result.getElementType())
    return emitOpError("changes its value from ") << input << " to " << result;
  int64_t forward = getBackward() ? getFrom() - getTo() : getTo() - getFrom();
  if (forward != 0 && forward != 1)
    return emitOpError("goes from stage ") << getFrom() << " to stage " << getTo() << ", which is not the next";
  return success();
}

/// As an elementwise op that needs a complete value.
FactorMap EnterOp::getFactorMap() {
  FactorMap map;
  TensorFactors dims;
  for (int64_t size : cast<RankedTensorType>(getInput().getType()).getShape()) {
    dims.push_back({static_cast<int>(map.factors.size())});
    map.factors.push_back({size, FactorKind::Parallel});
  }
  map.operands.push_back(dims);
  map.results.push_back(std::move(dims));
  return map;
}

bool EnterOp::isSent() {
  if (getFrom() == getTo())
    return false;
  ScheduleOp schedule = findSchedule((*this)->getParentOfType<ModuleOp>());
  if (!schedule)
    return true;
  schedule::ScheduleProblem problem = problemOf(schedule);
  return problem.rankOf(getFrom()) != problem.rankOf(getTo());
}

void EnterOp::buildAdjoint(OpBuilder &builder, ValueRange operands, ValueRange, ArrayRef<Value> gradients,
                           SmallVectorImpl<Value> &operandGradients) {
  operandGradients[0] = builder.create<EnterOp>(getLoc(), operands[0].getType(), gradients[0], getTo(), getFrom(),
                                                /*backward=*/true);
}

//===----------------------------------------------------------------------===//
// schedule
//===----------------------------------------------------------------------===//

static ParseResult parseActions(OpAsmParser &parser, ArrayAttr &actions) {
  SmallVector<Attribute> ranks;
  auto parseRank = [&] {
    StringAttr rank;
    if (parser.parseAttribute(rank))
      return failure();
    ranks.push_back(rank);
    return success();
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Braces, parseRank))
    return failure();
  actions = parser.getBuilder().getArrayAttr(ranks);
  return success();
}

static void printActions(OpAsmPrinter &printer, ScheduleOp, ArrayAttr actions) {
  printer << '{';
  printer.increaseIndent();
  llvm::interleave(
      actions,
      [&](Attribute rank) {
        printer.printNewline();
        printer << rank;
      },
      [&] { printer << ','; });
  printer.decreaseIndent();
  printer.printNewline();
  printer << '}';
}

LogicalResult ScheduleOp::verify() {
  if (getPlacement() != "loop" && getPlacement() != "vee")
    return emitOpError("has placement '") << getPlacement() << "'; legal: 'loop' or 'vee'";
  int64_t stages = getStages() * getChunks();
  for (std::optional<ArrayRef<double>> costs : {getCosts(), getRecomputed()})
    if (costs && static_cast<int64_t>(costs->size()) != stages)
      return emitOpError("has ") << costs->size() << " costs for " << stages << " virtual stages";
  if (std::optional<schedule::Diagnostic> problem = problemOf(*this).check())
    return emitOpError() << problem->message;
  return success();
}

StringRef pipe::nameOf(ParamOp param) {
  auto name = param->getAttrOfType<StringAttr>(kNameAttr);
  return name ? name.getValue() : param.getSymName();
}

ScheduleOp pipe::findSchedule(ModuleOp module) {
  auto schedules = module.getOps<ScheduleOp>();
  return schedules.empty() ? ScheduleOp() : *schedules.begin();
}

schedule::ScheduleProblem pipe::problemOf(ScheduleOp op) {
  schedule::ScheduleProblem problem;
  problem.stages = op.getStages();
  problem.chunks = op.getChunks();
  problem.microBatches = op.getMicroBatches();
  problem.placement = op.getPlacement() == "vee" ? schedule::Placement::Vee : schedule::Placement::Loop;
  ArrayRef<double> costs = op.getCosts().value_or(ArrayRef<double>());
  ArrayRef<double> recomputed = op.getRecomputed().value_or(ArrayRef<double>());
  for (auto [stage, cost] : llvm::enumerate(costs))
    problem.costs.push_back({cost, cost + (stage < recomputed.size() ? recomputed[stage] : 0), cost, 0, 0});
  return problem;
}

/// Calls `draw(problem, schedule, timeline)` if the module has a schedule and it is right.
template <typename Draw> static void drawTimeline(ModuleOp module, Draw draw) {
  ScheduleOp op = findSchedule(module);
  FailureOr<schedule::Schedule> actions = op ? scheduleOf(op) : FailureOr<schedule::Schedule>(failure());
  if (failed(actions))
    return;
  schedule::ScheduleProblem problem = problemOf(op);
  if (!problem.verify(*actions))
    draw(problem, *actions, schedule::simulate(problem, *actions));
}

void pipe::printTimeline(ModuleOp module, llvm::raw_ostream &os) {
  drawTimeline(module, [&](const auto &problem, const auto &actions, const auto &timeline) {
    schedule::printTimelineText(problem, actions, timeline, os);
  });
}

void pipe::printTimelineSvg(ModuleOp module, llvm::raw_ostream &os) {
  drawTimeline(module, [&](const auto &problem, const auto &actions, const auto &timeline) {
    schedule::printTimelineSvg(problem, actions, timeline, os);
  });
}

FailureOr<schedule::Schedule> pipe::scheduleOf(ScheduleOp op) {
  std::string text;
  for (StringAttr rank : op.getActions().getAsRange<StringAttr>())
    text += rank.getValue().str() + "\n";
  schedule::Diagnostic error;
  std::optional<schedule::Schedule> result = schedule::readSchedule(text, error);
  if (!result)
    return op.emitOpError("rank ") << (error.line ? error.line - 1 : 0) << ": " << error.message;
  return std::move(*result);
}

//===----------------------------------------------------------------------===//
// Dialect
//===----------------------------------------------------------------------===//

void PipeDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "colo/Dialect/Pipe/PipeOps.cpp.inc"
      >();
}

#include "colo/Dialect/Pipe/PipeDialect.cpp.inc"
#define GET_OP_CLASSES
#include "colo/Dialect/Pipe/PipeOps.cpp.inc"
