//===- RtVerifyBuffers.cpp - no two live values share memory -*- C++ -*-===//
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
// Streams run beside each other but for their events (StreamOrder.h). Of two ops
// that name one value, or values that follow each other in the same bytes, and of
// which one writes, the second must start when the first is done: compute waits
// for what a transfer brings or still sends, a transfer for the compute that makes
// what it sends or still reads what it overwrites, and one stream's transfers for
// another's. What a function's arguments hold was made on the compute stream
// before. No transfer is in flight across a call, a round or the end.
//
//===----------------------------------------------------------------------===//

#include "Places.h"
#include "StreamOrder.h"
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

/// The last op of a stream that reads or writes a place.
struct Access {
  Operation *op = nullptr;
  int64_t number = 0; ///< on its stream
};
using Accesses = llvm::SmallDenseMap<int64_t, Access, 2>; ///< by stream

struct StoredValue {
  StoredValue() = default;
  StoredValue(int64_t begin, int64_t end) : begin(begin), end(end) {}

  int64_t begin = 0, end = 0; ///< bytes of the workspace
  Operation *born = nullptr, *ended = nullptr;
  bool ofRound = false; ///< born in a round before, so that a write is its birth again
  Accesses reads, writes;
};

/// An op on a stream beside the compute stream.
struct Flight {
  Operation *op;
  int64_t stream, number;
};

/// How an op uses the places that an operand may name.
struct Use {
  bool reads = false, writes = false;
};

int64_t streamOf(Operation *op) {
  auto communication = dyn_cast<rt::CommunicationOpInterface>(op);
  return communication ? static_cast<int64_t>(communication.getStream()) : rt::kComputeStream;
}

/// Of an op that does not say, anything is to be feared.
Use useOf(Operation *op, Value operand) {
  auto access = dyn_cast<rt::BufferOpInterface>(op);
  if (!access)
    return {true, true};
  return {llvm::is_contained(access.getRead(), operand), llvm::is_contained(access.getWritten(), operand)};
}

bool writes(Operation *op, Value operand) { return useOf(op, operand).writes; }

/// The function's argument that a memref lies in, if no value of a workspace names the place.
BlockArgument argumentBehind(Value memref) {
  while (auto slot = memref.getDefiningOp<rt::SlotOp>()) {
    if (slot->hasAttr(rt::kValueAttr))
      return BlockArgument();
    memref = slot.getBase();
  }
  auto argument = dyn_cast<BlockArgument>(memref);
  return argument && isa<func::FuncOp>(argument.getOwner()->getParentOp()) ? argument : BlockArgument();
}

class BufferVerifier {
public:
  LogicalResult verify(func::FuncOp func) {
    caller = {func, order.issue(rt::kComputeStream)};
    return verify(func.getBody());
  }

private:
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

  LogicalResult verify(Operation *op) {
    if (failed(follow(op)))
      return failure();
    int64_t stream = streamOf(op);
    llvm::MapVector<int64_t, Use> used;
    llvm::MapVector<BlockArgument, Use> usedArguments;
    for (Value operand : op->getOperands()) {
      if (!isa<MemRefType>(operand.getType()))
        continue;
      llvm::SmallSetVector<int64_t, 8> named;
      if (failed(collect(op, operand, named)))
        return failure();
      Use use = useOf(op, operand);
      auto add = [use](Use &all) { all = {all.reads || use.reads, all.writes || use.writes}; };
      for (int64_t id : named)
        add(used[id]);
      if (BlockArgument argument = argumentBehind(operand))
        add(usedArguments[argument]);
    }
    for (auto &[a, useOfA] : used)
      for (auto &[b, useOfB] : used)
        if (a < b && overlap(values[a], values[b]))
          return op->emitOpError("uses values ") << a << " and " << b << ", which overlap in memory";
    for (auto &[id, use] : used)
      if (failed(checkOrder(op, stream, use, values[id].reads, values[id].writes, "value " + Twine(id))) ||
          (!values[id].born && failed(bear(op, stream, id))))
        return failure();
    for (auto &[argument, use] : usedArguments) {
      auto [it, fresh] = arguments.try_emplace(argument);
      if (fresh)
        it->second.writes[rt::kComputeStream] = caller;
      if (failed(checkOrder(op, stream, use, it->second.reads, it->second.writes,
                            "argument " + Twine(argument.getArgNumber()))))
        return failure();
    }
    Access access{op, order.issue(stream)};
    auto note = [&](const Use &use, Accesses &reads, Accesses &writes) {
      if (use.reads)
        reads[stream] = access;
      if (use.writes)
        writes[stream] = access;
    };
    for (auto &[id, use] : used)
      note(use, values[id].reads, values[id].writes);
    for (auto &[argument, use] : usedArguments)
      note(use, arguments[argument].reads, arguments[argument].writes);
    if (stream != rt::kComputeStream)
      flights.push_back({op, stream, access.number});
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
      order.record(record.getEvent(), record.getStream());
    if (auto wait = dyn_cast<rt::WaitOp>(op)) {
      order.wait(wait.getEvent(), wait.getStream());
      llvm::erase_if(flights, [&](const Flight &flight) {
        return order.isDone(flight.number, flight.stream, rt::kComputeStream);
      });
    }
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

  /// The op of another stream that may still run when the next of `stream` starts.
  const Access *findRunning(const Accesses &accesses, int64_t stream) {
    for (const auto &[other, access] : accesses)
      if (other != stream && !order.isDone(access.number, other, stream))
        return &access;
    return nullptr;
  }

  /// What reads must start after all writes, what writes after all reads too.
  LogicalResult checkOrder(Operation *op, int64_t stream, const Use &use, const Accesses &reads, const Accesses &writes,
                           const Twine &what) {
    const Access *running = findRunning(writes, stream);
    bool isWritten = running;
    if (!running && use.writes)
      running = findRunning(reads, stream);
    if (!running)
      return success();
    InFlightDiagnostic diagnostic = op->emitOpError(isWritten ? "uses " : "writes ") << what;
    if (streamOf(running->op) != rt::kComputeStream) {
      diagnostic << " while it is in flight";
      diagnostic.attachNote(running->op->getLoc()) << "in the collective that starts here";
    } else {
      diagnostic << " on a stream that does not wait for what " << (isWritten ? "writes" : "reads") << " it";
      diagnostic.attachNote(running->op->getLoc()) << "on the compute stream, here";
    }
    return diagnostic;
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
    StoredValue &value = values.try_emplace(id, begin, end).first->second;
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

  LogicalResult bear(Operation *op, int64_t stream, int64_t id) {
    values[id].born = op;
    for (auto &[other, value] : values) {
      if (other == id || !overlap(value, values[id]))
        continue;
      const Access *running = findRunning(value.writes, stream);
      running = running ? running : findRunning(value.reads, stream);
      if (running) {
        InFlightDiagnostic diagnostic = op->emitOpError("puts value ") << id << " into the memory of value " << other;
        bool isFlight = streamOf(running->op) != rt::kComputeStream;
        diagnostic << (isFlight ? ", which is in flight" : " on a stream that does not wait for what uses that");
        diagnostic.attachNote(running->op->getLoc())
            << (isFlight ? "in the collective that starts here" : "on the compute stream, here");
        return diagnostic;
      }
      if (value.born && !value.ended)
        value.ended = op;
    }
    return success();
  }

  llvm::MapVector<int64_t, StoredValue> values;
  llvm::DenseMap<Value, bool> isOddRound; ///< of loops, by their round
  /// Whole, whatever part of it is used.
  struct StoredArgument {
    Accesses reads, writes;
  };
  llvm::DenseMap<BlockArgument, StoredArgument> arguments;
  StreamOrder order;
  Access caller;               ///< stands for all that was issued before the function
  SmallVector<Flight> flights; ///< that the compute stream has not waited for
};

struct RtVerifyBuffers : colo::impl::RtVerifyBuffersBase<RtVerifyBuffers> {
  void runOnOperation() override {
    for (func::FuncOp func : getOperation().getOps<func::FuncOp>()) {
      BufferVerifier verifier;
      if (!func.isExternal() && failed(verifier.verify(func)))
        return signalPassFailure();
    }
  }
};

} // namespace
