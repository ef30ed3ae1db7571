//===- VerifyBuffers.cpp - no two live values share memory -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each slot of a workspace says which value it belongs to and where that value
// lies (`rt.value`). A value is born with its first use; from then on every
// birth in the same bytes ends it, and no later op may name it.
//
// A loop is followed for as many rounds as show all that rounds may do to each
// other: values of a round are born again in the next, and where a value changes
// places from round to round, each round names the place that it uses.
//
// A collective on a stream of its own is in flight from its op until the compute
// stream waits for an event that its stream has recorded after it. Meanwhile what
// it receives may not be named, what it sends may not be written, and no value may
// be born in the bytes of either. One stream's collectives run in order and may
// name each other's values.
//
//===----------------------------------------------------------------------===//

#include "Places.h"
#include "colo/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallSet.h"

namespace colo {
#define GEN_PASS_DEF_RTVERIFYBUFFERS
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

namespace {

/// Rounds of a loop that are followed: an even and an odd one, and what comes after an odd one.
constexpr int64_t kRoundsToFollow = 3;

struct StoredValue {
  int64_t begin, end; ///< bytes of the workspace
  Operation *born, *ended;
  bool ofRound = false; ///< born in a round before, so that a write is its birth again
};

/// A collective that runs beside work.
struct Flight {
  Operation *op;
  int64_t stream;
  llvm::SmallSet<int64_t, 4> events; ///< recorded after it
  llvm::SmallSetVector<int64_t, 2> sent, received;
};

int64_t streamOf(Operation *op) {
  auto stream = op->getAttrOfType<IntegerAttr>("stream");
  return isa<rt::RecordOp, rt::WaitOp>(op) || !stream ? rt::kComputeStream : stream.getInt();
}

/// Whether an op may write to an operand. Of one that does not say, anything is to be feared.
bool writes(Operation *op, Value operand) {
  auto access = dyn_cast<rt::BufferOpInterface>(op);
  return !access || llvm::is_contained(access.getWritten(), operand);
}

class BufferVerifier {
public:
  LogicalResult verify(Region &region) {
    for (Block &block : region)
      for (Operation &op : block) {
        // Naming a place is no use of it.
        if (isa<rt::SlotOp, arith::SelectOp>(op))
          continue;
        if (failed(verify(&op)))
          return failure();
        auto loop = dyn_cast<scf::ForOp>(op);
        int64_t rounds =
            loop ? std::min(getConstantIntValue(loop.getUpperBound()).value_or(kRoundsToFollow), kRoundsToFollow) : 1;
        llvm::SmallSet<int64_t, 16> before;
        for (auto &[id, value] : values)
          if (value.born)
            before.insert(id);
        for (int64_t round = 0; round < rounds; ++round) {
          for (auto &[id, value] : values)
            value.ofRound |= round && !before.contains(id);
          if (loop)
            isOddRound[loop.getInductionVar()] = round % 2;
          for (Region &inner : op.getRegions())
            if (failed(verify(inner)))
              return failure();
        }
      }
    return success();
  }

private:
  LogicalResult verify(Operation *op) {
    if (failed(follow(op)))
      return failure();
    llvm::SmallSetVector<int64_t, 8> used;
    for (Value operand : op->getOperands()) {
      if (!isa<MemRefType>(operand.getType()))
        continue;
      llvm::SmallSetVector<int64_t, 8> named;
      if (failed(collect(op, operand, named)) || failed(checkFlights(op, named, writes(op, operand))))
        return failure();
      used.insert(named.begin(), named.end());
    }
    for (int64_t a : used)
      for (int64_t b : used)
        if (a < b && overlap(values[a], values[b]))
          return op->emitOpError("uses values ") << a << " and " << b << ", which overlap in memory";
    for (int64_t id : used)
      if (!values[id].born && failed(bear(op, id)))
        return failure();
    if (streamOf(op) != rt::kComputeStream)
      start(op);
    return success();
  }

  /// Whether a condition holds in the round that is followed, if it is whether the round is odd.
  std::optional<bool> valueOf(Value condition) const {
    auto odd = condition.getDefiningOp<arith::TruncIOp>();
    auto cast = odd ? odd.getIn().getDefiningOp<arith::IndexCastOp>() : arith::IndexCastOp();
    auto it = cast ? isOddRound.find(cast.getIn()) : isOddRound.end();
    return it == isOddRound.end() ? std::nullopt : std::optional(it->second);
  }

  /// Events, and what nothing may be in flight across.
  LogicalResult follow(Operation *op) {
    if (auto record = dyn_cast<rt::RecordOp>(op))
      for (Flight &flight : flights)
        if (flight.stream == static_cast<int64_t>(record.getStream()))
          flight.events.insert(record.getEvent());
    if (auto wait = dyn_cast<rt::WaitOp>(op); wait && wait.getStream() == rt::kComputeStream)
      llvm::erase_if(flights, [&](const Flight &flight) { return flight.events.contains(wait.getEvent()); });
    // What started before a loop without collectives may be in flight through it.
    auto ends = [&](const Flight &flight) {
      return isa<scf::YieldOp>(op) ? flight.op->getParentOp() == op->getParentOp()
                                   : isa<func::ReturnOp, func::CallOp>(op);
    };
    auto it = llvm::find_if(flights, ends);
    if (it == flights.end())
      return success();
    InFlightDiagnostic diagnostic = op->emitOpError("is reached while a collective is in flight");
    diagnostic.attachNote(it->op->getLoc()) << "which starts here";
    return diagnostic;
  }

  void start(Operation *op) {
    Flight flight{op, streamOf(op), {}, {}, {}};
    llvm::SmallSetVector<int64_t, 8> sent, received;
    (void)collect(op, op->getOperand(0), sent);
    (void)collect(op, op->getOperand(1), received);
    flight.sent.insert(sent.begin(), sent.end());
    flight.received.insert(received.begin(), received.end());
    flights.push_back(std::move(flight));
  }

  LogicalResult checkFlights(Operation *op, const llvm::SmallSetVector<int64_t, 8> &named, bool writes) {
    for (const Flight &flight : flights) {
      if (flight.stream == streamOf(op))
        continue;
      for (int64_t id : named) {
        if (!flight.received.contains(id) && !(writes && flight.sent.contains(id)))
          continue;
        InFlightDiagnostic diagnostic = op->emitOpError() << (flight.received.contains(id) ? "uses" : "writes")
                                                          << " value " << id << " while it is in flight";
        diagnostic.attachNote(flight.op->getLoc()) << "in the collective that starts here";
        return diagnostic;
      }
    }
    return success();
  }

  static bool overlap(const StoredValue &a, const StoredValue &b) { return a.begin < b.end && b.begin < a.end; }

  LogicalResult collect(Operation *op, Value memref, llvm::SmallSetVector<int64_t, 8> &used) {
    if (auto select = memref.getDefiningOp<arith::SelectOp>()) {
      if (std::optional<bool> isTrue = valueOf(select.getCondition()))
        return collect(op, *isTrue ? select.getTrueValue() : select.getFalseValue(), used);
      return success(succeeded(collect(op, select.getTrueValue(), used)) &&
                     succeeded(collect(op, select.getFalseValue(), used)));
    }
    auto slot = memref.getDefiningOp<rt::SlotOp>();
    auto entry = slot ? slot->getAttrOfType<DenseI64ArrayAttr>(rt::kValueAttr) : DenseI64ArrayAttr();
    if (!entry)
      return success();
    int64_t id = entry[0], begin = entry[1], end = entry[2];
    if (begin % kAlignment != 0)
      return slot.emitOpError("value ") << id << " starts at byte " << begin << ", no multiple of " << kAlignment;
    if (slot.getOffset() < static_cast<uint64_t>(begin) || slot.getOffset() >= static_cast<uint64_t>(end))
      return slot.emitOpError("lies outside its value ") << id;
    StoredValue &value = values.insert({id, {begin, end, nullptr, nullptr}}).first->second;
    if (value.ended && value.ofRound && writes(op, memref))
      value.born = value.ended = nullptr;
    if (value.ended) {
      InFlightDiagnostic diagnostic = op->emitOpError("uses value ") << id << " after its memory was given away";
      diagnostic.attachNote(value.ended->getLoc()) << "to a value that is first used here";
      return diagnostic;
    }
    used.insert(id);
    return success();
  }

  LogicalResult bear(Operation *op, int64_t id) {
    values[id].born = op;
    for (auto &[other, value] : values) {
      if (other == id || !value.born || value.ended || !overlap(value, values[id]))
        continue;
      value.ended = op;
      for (const Flight &flight : flights)
        if (flight.sent.contains(other) || flight.received.contains(other)) {
          InFlightDiagnostic diagnostic = op->emitOpError("puts value ")
                                          << id << " into the memory of value " << other << ", which is in flight";
          diagnostic.attachNote(flight.op->getLoc()) << "in the collective that starts here";
          return diagnostic;
        }
    }
    return success();
  }

  llvm::MapVector<int64_t, StoredValue> values;
  llvm::DenseMap<Value, bool> isOddRound; ///< of loops, by their round
  SmallVector<Flight> flights;
};

struct RtVerifyBuffers : colo::impl::RtVerifyBuffersBase<RtVerifyBuffers> {
  void runOnOperation() override {
    for (func::FuncOp func : getOperation().getOps<func::FuncOp>()) {
      BufferVerifier verifier;
      if (failed(verifier.verify(func.getBody())))
        return signalPassFailure();
    }
  }
};

} // namespace
