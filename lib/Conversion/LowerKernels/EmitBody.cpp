//===- EmitBody.cpp - one element of a loop nest -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EmitBody.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace colo;

Value colo::emitAffine(OpBuilder &builder, Location loc, AffineExpr expr, const Point &point) {
  llvm::SmallVector<AffineExpr> replacements;
  llvm::SmallVector<Value> dims;
  for (Value value : point) {
    replacements.push_back(value ? getAffineDimExpr(dims.size(), builder.getContext())
                                 : getAffineConstantExpr(0, builder.getContext()));
    if (value)
      dims.push_back(value);
  }
  expr = simplifyAffineExpr(expr.replaceDims(replacements), dims.size(), 0);
  return affine::expandAffineExpr(builder, loc, expr, dims, {});
}

Type colo::storedType(Type element) {
  return element.isInteger(1) ? IntegerType::get(element.getContext(), 8) : element;
}

Value colo::convertFloat(OpBuilder &builder, Location loc, Value value, Type type) {
  unsigned from = value.getType().getIntOrFloatBitWidth(), to = type.getIntOrFloatBitWidth();
  if (from == to)
    return value;
  return from < to ? builder.create<arith::ExtFOp>(loc, type, value).getResult()
                   : builder.create<arith::TruncFOp>(loc, type, value).getResult();
}

/// The element at an address of flat memory.
static Value loadElement(OpBuilder &builder, Location loc, Value memory, Value address) {
  Value element = builder.create<memref::LoadOp>(loc, memory, address);
  return element.getType().isInteger(8) ? builder.create<arith::TruncIOp>(loc, builder.getI1Type(), element).getResult()
                                        : element;
}

Value colo::emitLoad(OpBuilder &builder, Location loc, const Storage &storage, AffineMap map, const Point &point) {
  if (storage.scalar)
    return storage.scalar;
  return loadElement(builder, loc, storage.memory, emitAffine(builder, loc, addressOf(map, storage.strides), point));
}

namespace {
/// Copies ops of a body, replacing what belongs to tensors and loops.
class BodyEmitter {
public:
  BodyEmitter(const Point &point, const StorageMap &storage, IRMapping mapping, const WordRows &words)
      : point(point), storage(storage), mapping(std::move(mapping)), words(words) {}

  void emit(OpBuilder &builder, Operation &op);
  IRMapping &getMapping() { return mapping; }

private:
  Value extract(OpBuilder &builder, tensor::ExtractOp op);
  void emitIf(OpBuilder &builder, scf::IfOp op);

  const Point &point;
  const StorageMap &storage;
  IRMapping mapping;
  const WordRows &words;
};
} // namespace

/// The word of the loop's current element.
static Value loadWord(OpBuilder &builder, Location loc, const WordRow &row, const Point &point) {
  Value at = point[row.dim];
  if (row.lower)
    at = builder.create<arith::SubIOp>(loc, at, row.lower);
  at = builder.create<arith::AddIOp>(loc, row.shift, at);
  return builder.create<memref::LoadOp>(loc, row.buffer, at);
}

Value BodyEmitter::extract(OpBuilder &builder, tensor::ExtractOp op) {
  const Storage &place = storage.find(op.getTensor())->second;
  if (place.scalar)
    return place.scalar;
  Location loc = op.getLoc();
  Value address;
  for (auto [index, stride] : llvm::zip(op.getIndices(), place.strides)) {
    if (stride == 0)
      continue;
    Value term = mapping.lookupOrDefault(index);
    if (stride != 1)
      term = builder.create<arith::MulIOp>(loc, term, builder.create<arith::ConstantIndexOp>(loc, stride));
    address = address ? builder.create<arith::AddIOp>(loc, address, term).getResult() : term;
  }
  if (!address)
    address = builder.create<arith::ConstantIndexOp>(loc, 0);
  return loadElement(builder, loc, place.memory, address);
}

void BodyEmitter::emitIf(OpBuilder &builder, scf::IfOp op) {
  auto copy = builder.create<scf::IfOp>(op.getLoc(), op.getResultTypes(), mapping.lookupOrDefault(op.getCondition()),
                                        /*withElseRegion=*/true);
  for (auto [from, to] : {std::pair(op.thenBlock(), copy.thenBlock()), std::pair(op.elseBlock(), copy.elseBlock())}) {
    OpBuilder inner = OpBuilder::atBlockEnd(to);
    for (Operation &nested : *from)
      emit(inner, nested);
  }
  mapping.map(op.getResults(), copy.getResults());
}

void BodyEmitter::emit(OpBuilder &builder, Operation &op) {
  Location loc = op.getLoc();
  auto mapped = [&](Value value) { return mapping.lookupOrDefault(value); };
  // Values that the caller has made already.
  if (op.getNumResults() == 1 && mapping.contains(op.getResult(0)))
    return;
  if (auto index = dyn_cast<linalg::IndexOp>(op)) {
    Value value = point[index.getDim()];
    mapping.map(index.getResult(), value ? value : builder.create<arith::ConstantIndexOp>(loc, 0).getResult());
  } else if (auto apply = dyn_cast<affine::AffineApplyOp>(op)) {
    llvm::SmallVector<Value> dims;
    for (Value operand : apply.getMapOperands())
      dims.push_back(mapped(operand));
    mapping.map(apply.getResult(), affine::expandAffineExpr(builder, loc, apply.getAffineMap().getResult(0), dims, {}));
  } else if (auto element = dyn_cast<tensor::ExtractOp>(op)) {
    mapping.map(element.getResult(), extract(builder, element));
  } else if (auto row = words.find(&op); row != words.end()) {
    mapping.map(op.getResult(0), loadWord(builder, loc, row->second, point));
  } else if (auto word = dyn_cast<rt::RandomWordOp>(op)) {
    mapping.map(word.getResult(), emitRandomWord(builder, loc, mapped(word.getSeed()), mapped(word.getIndex()),
                                                 mapped(word.getInstance()), mapped(word.getStep())));
  } else if (auto choice = dyn_cast<scf::IfOp>(op)) {
    emitIf(builder, choice);
  } else {
    Operation *copy = builder.clone(op, mapping);
    if (auto fast = dyn_cast<arith::ArithFastMathInterface>(copy); fast && !copy->hasAttr(rt::kExactAttr))
      copy->setAttr(fast.getFastMathAttrName(), arith::FastMathFlagsAttr::get(copy->getContext(), kKernelFastMath));
  }
}

llvm::SmallVector<Value> colo::emitBody(OpBuilder &builder, const Nest &nest, const Point &point,
                                        const StorageMap &storage, llvm::ArrayRef<Value> accumulators,
                                        const IRMapping &mapping, const WordRows &words) {
  linalg::GenericOp op = nest.op;
  Block *body = op.getBody();
  BodyEmitter emitter(point, storage, mapping, words);
  for (auto [i, operand] : llvm::enumerate(op.getDpsInputs())) {
    BlockArgument element = body->getArgument(i);
    if (element.use_empty())
      continue;
    if (!isa<RankedTensorType>(operand.getType()))
      emitter.getMapping().map(element, mapping.lookupOrDefault(operand));
    else
      emitter.getMapping().map(element, emitLoad(builder, op.getLoc(), storage.find(placedValue(operand))->second,
                                                 op.getIndexingMapsArray()[i], point));
  }
  for (auto [i, accumulator] : llvm::enumerate(accumulators))
    if (accumulator)
      emitter.getMapping().map(body->getArgument(op.getNumDpsInputs() + i), accumulator);
  for (Operation &inner : body->without_terminator())
    emitter.emit(builder, inner);
  llvm::SmallVector<Value> yielded;
  for (Value value : body->getTerminator()->getOperands())
    yielded.push_back(emitter.getMapping().lookupOrDefault(value));
  return yielded;
}

//===----------------------------------------------------------------------===//
// Values that do not depend on elements
//===----------------------------------------------------------------------===//

std::optional<int64_t> colo::stepOf(Value value, unsigned dim, Block *body) {
  if (value.getParentBlock() != body)
    return 0;
  Operation *op = value.getDefiningOp();
  if (!op)
    return std::nullopt;
  if (isa<arith::ConstantOp>(op))
    return 0;
  if (auto index = dyn_cast<linalg::IndexOp>(op))
    return index.getDim() == dim;
  llvm::SmallVector<int64_t> steps;
  for (Value operand : op->getOperands()) {
    std::optional<int64_t> step = stepOf(operand, dim, body);
    if (!step)
      return std::nullopt;
    steps.push_back(*step);
  }
  if (isa<arith::AddIOp>(op))
    return steps[0] + steps[1];
  if (isa<arith::SubIOp>(op))
    return steps[0] - steps[1];
  if (isa<arith::IndexCastOp>(op))
    return steps[0];
  // Of a product only its being constant is told.
  bool constant = llvm::all_of(steps, [](int64_t step) { return step == 0; });
  return isa<arith::MulIOp, affine::AffineApplyOp>(op) && constant ? std::optional<int64_t>(0) : std::nullopt;
}

static void emitOperands(OpBuilder &builder, Value value, Block *body, BodyEmitter &emitter) {
  Operation *op = value.getDefiningOp();
  if (value.getParentBlock() != body || emitter.getMapping().contains(value))
    return;
  for (Value operand : op->getOperands())
    emitOperands(builder, operand, body, emitter);
  emitter.emit(builder, *op);
}

Value colo::emitIndexValue(OpBuilder &builder, Value value, Block *body, const Point &point, const IRMapping &mapping) {
  StorageMap none;
  WordRows noWords;
  BodyEmitter emitter(point, none, mapping, noWords);
  emitOperands(builder, value, body, emitter);
  return emitter.getMapping().lookupOrDefault(value);
}

//===----------------------------------------------------------------------===//
// Random numbers (include/colo/Runtime/Philox.h)
//===----------------------------------------------------------------------===//

llvm::SmallVector<Value> colo::emitPhilox(OpBuilder &builder, Location loc, Value seed, Value block, Value instance,
                                          Value step) {
  Type i32 = builder.getI32Type(), i64 = builder.getI64Type();
  auto constant = [&](uint64_t value, Type type) -> Value {
    return builder.create<arith::ConstantOp>(loc, builder.getIntegerAttr(type, static_cast<int64_t>(value)));
  };
  auto low = [&](Value wide) -> Value { return builder.create<arith::TruncIOp>(loc, i32, wide); };
  auto high = [&](Value wide) { return low(builder.create<arith::ShRUIOp>(loc, wide, constant(32, i64))); };
  auto product = [&](Value word, uint64_t factor) -> Value {
    return builder.create<arith::MulIOp>(loc, builder.create<arith::ExtUIOp>(loc, i64, word), constant(factor, i64));
  };
  auto mix = [&](Value a, Value b, Value c) -> Value {
    return builder.create<arith::XOrIOp>(loc, builder.create<arith::XOrIOp>(loc, a, b), c);
  };
  Value key0 = low(seed), key1 = high(seed);
  llvm::SmallVector<Value> counter{low(block), high(block), low(instance), low(step)};
  for (int round = 0; round < 10; ++round) {
    Value p0 = product(counter[0], 0xD2511F53u), p1 = product(counter[2], 0xCD9E8D57u);
    counter = {mix(high(p1), counter[1], key0), low(p1), mix(high(p0), counter[3], key1), low(p0)};
    key0 = builder.create<arith::AddIOp>(loc, key0, constant(static_cast<int32_t>(0x9E3779B9u), i32));
    key1 = builder.create<arith::AddIOp>(loc, key1, constant(static_cast<int32_t>(0xBB67AE85u), i32));
  }
  return counter;
}

llvm::SmallVector<Value> colo::emitRandomWords(OpBuilder &builder, Location loc, Value seed, Value first,
                                               Value instance, Value step, int64_t count) {
  auto integer = [&](int64_t value) -> Value { return builder.create<arith::ConstantIntOp>(loc, value, 64); };
  Value block = builder.create<arith::ShRUIOp>(loc, first, integer(2));
  Value next = builder.create<arith::AddIOp>(loc, block, integer(1));
  llvm::SmallVector<Value> bits = emitPhilox(builder, loc, seed, block, instance, step), words;
  bits.append(emitPhilox(builder, loc, seed, next, instance, step));
  Value shift = builder.create<arith::AndIOp>(loc, first, integer(3));
  for (int64_t i = 0; i < count; ++i) {
    Value word = bits[i];
    for (int64_t by = 1; by < 4; ++by) {
      Value here = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, shift, integer(by));
      word = builder.create<arith::SelectOp>(loc, here, bits[i + by], word);
    }
    words.push_back(word);
  }
  return words;
}

Value colo::emitRandomWord(OpBuilder &builder, Location loc, Value seed, Value index, Value instance, Value step) {
  auto constant = [&](int64_t value) -> Value { return builder.create<arith::ConstantIntOp>(loc, value, 64); };
  Value block = builder.create<arith::ShRUIOp>(loc, index, constant(2));
  llvm::SmallVector<Value> words = emitPhilox(builder, loc, seed, block, instance, step);
  Value which = builder.create<arith::AndIOp>(loc, index, constant(3)), word = words[0];
  for (int i = 1; i < 4; ++i) {
    Value isThis = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, which, constant(i));
    word = builder.create<arith::SelectOp>(loc, isThis, words[i], word);
  }
  return word;
}
