//===- RtVerifyTransfers.cpp - transfers beside actions touch other bytes -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs the rows of a pipeline rank's table as the rank would, with places in the
// workspace in place of data. Events are followed row by row, so what is proved
// holds for every micro-batch and slot, not for code that might run.
//
//===----------------------------------------------------------------------===//

#include "colo/Conversion/Passes.h"
#include "colo/Dialect/Pipe/PipeDialect.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/SmallSet.h"
#include <map>

namespace colo {
#define GEN_PASS_DEF_RTVERIFYTRANSFERS
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

namespace {

/// Bytes [begin, end) of the workspace.
using Place = std::pair<int64_t, int64_t>;

bool overlap(Place a, Place b) { return a.first < b.second && b.first < a.second; }

/// A transfer that the compute stream has not waited for.
struct Flight {
  Operation *op;
  int64_t row, stream;
  Place place;
  bool receives, posted; ///< posted: its group has ended
  llvm::SmallSet<int64_t, 4> events;
};

class RowFollower {
public:
  RowFollower(scf::ForOp loop, const SymbolTable &symbols) : loop(loop), symbols(symbols) {}

  LogicalResult verify() {
    int64_t rows = getConstantIntValue(loop.getUpperBound()).value_or(0);
    for (row = 0; row < rows; ++row)
      for (Operation &op : *loop.getBody())
        if (auto branch = dyn_cast<scf::IndexSwitchOp>(op); branch && failed(follow(branch)))
          return failure();
    for (Operation *op = loop->getNextNode(); op; op = op->getNextNode())
      if (failed(follow(op)))
        return failure();
    if (flights.empty())
      return success();
    return flights.front().op->emitOpError("of row ") << flights.front().row << " is in flight behind the last row";
  }

private:
  LogicalResult follow(scf::IndexSwitchOp branch) {
    std::optional<int64_t> which = valueOf(branch.getArg());
    if (!which)
      return branch.emitOpError("does not choose by the table");
    for (auto [number, region] : llvm::zip(branch.getCases(), branch.getCaseRegions()))
      if (number == *which)
        for (Operation &op : region.front())
          if (failed(follow(&op)))
            return failure();
    return success();
  }

  LogicalResult follow(Operation *op) {
    if (auto call = dyn_cast<func::CallOp>(op))
      return followCall(call);
    if (isa<rt::SendOp, rt::ReceiveOp>(op))
      return followTransfer(cast<rt::CommunicationOpInterface>(op));
    if (auto record = dyn_cast<rt::RecordOp>(op))
      followRecord(eventOf(record), record.getStream());
    if (auto wait = dyn_cast<rt::WaitOp>(op))
      followWait(eventOf(wait), wait.getStream());
    if (isa<rt::GroupStartOp>(op))
      inGroup = true;
    if (isa<rt::GroupEndOp>(op)) {
      inGroup = false;
      for (Flight &flight : flights)
        flight.posted = true;
    }
    return success();
  }

  template <typename Op> int64_t eventOf(Op op) {
    return op.getEvent() + (op.getDynamic() ? valueOf(op.getDynamic()).value_or(0) : 0);
  }

  /// What the compute stream has done when it records, and what of it a stream that waits has seen.
  void followRecord(int64_t event, int64_t stream) {
    if (stream == rt::kComputeStream)
      doneAt[event] = done;
    for (Flight &flight : flights) {
      if (stream == rt::kComputeStream)
        flight.events.erase(event);
      else if (flight.stream == stream && flight.posted)
        flight.events.insert(event);
    }
  }

  void followWait(int64_t event, int64_t stream) {
    if (stream == rt::kComputeStream)
      llvm::erase_if(flights, [&](const Flight &flight) { return flight.events.contains(event); });
    else if (auto it = doneAt.find(event); it != doneAt.end())
      seen[stream] = std::max(seen[stream], it->second);
  }

  LogicalResult followCall(func::CallOp call) {
    auto callee = symbols.lookup<func::FuncOp>(call.getCallee());
    auto reads = callee ? callee->getAttrOfType<DenseI64ArrayAttr>(pipe::kReadsAttr) : DenseI64ArrayAttr();
    ++done;
    // Behind the function's own workspace, its layer and its first row stand what it reads, then what it writes.
    constexpr unsigned firstTensor = 3;
    for (auto [number, operand] : llvm::enumerate(call.getOperands())) {
      std::optional<Place> place = placeOf(operand);
      if (!place)
        continue;
      bool only = reads && number >= firstTensor && static_cast<int64_t>(number) < firstTensor + reads.size();
      for (const Flight &flight : flights)
        if (overlap(flight.place, *place) && (flight.receives || !only))
          return report(call, only ? "reads" : "writes", flight);
      used[*place] = done;
    }
    return success();
  }

  LogicalResult followTransfer(rt::CommunicationOpInterface op) {
    auto stream = static_cast<int64_t>(op.getStream());
    std::optional<Place> place = placeOf(op.getPayload());
    if (!place)
      return op->emitOpError("names no place of the workspace that the table says");
    for (auto &[other, when] : used)
      if (overlap(other, *place) && stream != rt::kComputeStream && when > seen[stream])
        return op->emitOpError("of row ") << row << " starts before the action that uses bytes " << place->first
                                          << " to " << place->second << " has ended";
    if (stream != rt::kComputeStream)
      flights.push_back({op, row, stream, *place, !op.getWritten().empty(), !inGroup, {}});
    return success();
  }

  LogicalResult report(Operation *op, StringRef what, const Flight &flight) {
    InFlightDiagnostic diagnostic = op->emitOpError("of row ")
                                    << row << " " << what << " bytes " << flight.place.first << " to "
                                    << flight.place.second << ", which are in flight";
    diagnostic.attachNote(flight.op->getLoc()) << "in the transfer of row " << flight.row;
    return diagnostic;
  }

  /// A number that the table or constants say in this row.
  std::optional<int64_t> valueOf(Value value) {
    if (value == loop.getInductionVar())
      return row;
    if (std::optional<int64_t> constant = getConstantIntValue(value))
      return constant;
    Operation *op = value.getDefiningOp();
    if (auto cast = dyn_cast_or_null<arith::IndexCastOp>(op))
      return valueOf(cast.getIn());
    auto load = dyn_cast_or_null<memref::LoadOp>(op);
    auto table = load ? load.getMemRef().getDefiningOp<rt::TableOp>() : rt::TableOp();
    if (!table || load.getIndices().size() != 2)
      return std::nullopt;
    std::optional<int64_t> first = valueOf(load.getIndices()[0]), second = valueOf(load.getIndices()[1]);
    int64_t columns = load.getMemRefType().getDimSize(1);
    return first && second ? std::optional(table.getValues()[*first * columns + *second]) : std::nullopt;
  }

  std::optional<Place> placeOf(Value memref) {
    auto slot = memref.getDefiningOp<rt::SlotOp>();
    auto buffer = slot ? slot.getBase().getDefiningOp<rt::BufferOp>() : rt::BufferOp();
    if (!buffer || buffer.getName() != "workspace")
      return std::nullopt;
    std::optional<int64_t> moved = slot.getDynamic() ? valueOf(slot.getDynamic()) : std::optional<int64_t>(0);
    if (!moved)
      return std::nullopt;
    auto type = cast<MemRefType>(slot.getType());
    int64_t begin = static_cast<int64_t>(slot.getOffset()) + *moved;
    return Place{begin, begin + type.getNumElements() * std::max<int64_t>(1, type.getElementTypeBitWidth() / 8)};
  }

  scf::ForOp loop;
  const SymbolTable &symbols;
  int64_t row = 0, done = 0; ///< actions that the compute stream has done
  bool inGroup = false;
  std::map<Place, int64_t> used;           ///< when an action last used it
  llvm::DenseMap<int64_t, int64_t> doneAt; ///< actions that an event of the compute stream stands for
  llvm::DenseMap<int64_t, int64_t> seen;   ///< actions that a stream has waited for
  std::vector<Flight> flights;
};

struct RtVerifyTransfers : colo::impl::RtVerifyTransfersBase<RtVerifyTransfers> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    WalkResult result = getOperation().walk([&](scf::IndexSwitchOp branch) {
      auto loop = dyn_cast<scf::ForOp>(branch->getParentOp());
      if (!branch->hasAttr(rt::kExecutionsAttr) || !loop)
        return WalkResult::advance();
      return succeeded(RowFollower(loop, symbols).verify()) ? WalkResult::advance() : WalkResult::interrupt();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
