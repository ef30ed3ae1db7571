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
//===----------------------------------------------------------------------===//

#include "Places.h"
#include "colo/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace colo {
#define GEN_PASS_DEF_RTVERIFYBUFFERS
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

namespace {

struct StoredValue {
  int64_t begin, end; ///< bytes of the workspace
  Operation *born, *ended;
};

class BufferVerifier {
public:
  LogicalResult verify(Operation *op) {
    llvm::SmallSetVector<int64_t, 8> used;
    for (Value operand : op->getOperands())
      if (isa<MemRefType>(operand.getType()) && failed(collect(op, operand, used)))
        return failure();
    for (int64_t a : used)
      for (int64_t b : used)
        if (a < b && overlap(values[a], values[b]))
          return op->emitOpError("uses values ") << a << " and " << b << ", which overlap in memory";
    for (int64_t id : used)
      if (!values[id].born)
        bear(op, id);
    return success();
  }

private:
  static bool overlap(const StoredValue &a, const StoredValue &b) { return a.begin < b.end && b.begin < a.end; }

  LogicalResult collect(Operation *op, Value memref, llvm::SmallSetVector<int64_t, 8> &used) {
    if (auto select = memref.getDefiningOp<arith::SelectOp>())
      return success(succeeded(collect(op, select.getTrueValue(), used)) &&
                     succeeded(collect(op, select.getFalseValue(), used)));
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
    if (value.ended) {
      InFlightDiagnostic diagnostic = op->emitOpError("uses value ") << id << " after its memory was given away";
      diagnostic.attachNote(value.ended->getLoc()) << "to a value that is first used here";
      return diagnostic;
    }
    used.insert(id);
    return success();
  }

  void bear(Operation *op, int64_t id) {
    values[id].born = op;
    for (auto &[other, value] : values)
      if (other != id && value.born && !value.ended && overlap(value, values[id]))
        value.ended = op;
  }

  llvm::MapVector<int64_t, StoredValue> values;
};

struct RtVerifyBuffers : colo::impl::RtVerifyBuffersBase<RtVerifyBuffers> {
  void runOnOperation() override {
    for (func::FuncOp func : getOperation().getOps<func::FuncOp>()) {
      BufferVerifier verifier;
      WalkResult result = func.walk<WalkOrder::PreOrder>([&](Operation *op) {
        // Naming a place is no use of it.
        if (isa<rt::SlotOp, arith::SelectOp>(op))
          return WalkResult::advance();
        return failed(verifier.verify(op)) ? WalkResult::interrupt() : WalkResult::advance();
      });
      if (result.wasInterrupted())
        return signalPassFailure();
    }
  }
};

} // namespace
