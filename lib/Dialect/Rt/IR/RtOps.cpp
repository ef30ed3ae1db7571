//===- RtOps.cpp - verifiers of the rt dialect -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace colo::rt;

#include "colo/Dialect/Rt/RtDialect.cpp.inc"
#include "colo/Dialect/Rt/RtEnums.cpp.inc"
#include "colo/Dialect/Rt/RtInterfaces.cpp.inc"

#define GET_OP_CLASSES
#include "colo/Dialect/Rt/RtOps.cpp.inc"

Value colo::rt::buildLookup(OpBuilder &builder, Location loc, Value index, ArrayRef<int64_t> numbers) {
  auto constant = [&](int64_t number) { return builder.create<arith::ConstantIndexOp>(loc, number); };
  int64_t step = numbers.size() > 1 ? numbers[1] - numbers[0] : 0;
  bool isLinear =
      llvm::all_of(llvm::seq<size_t>(1, numbers.size()), [&](size_t i) { return numbers[i] - numbers[i - 1] == step; });
  if (isLinear) {
    Value moved = builder.create<arith::MulIOp>(loc, index, constant(step));
    return builder.create<arith::AddIOp>(loc, moved, constant(numbers.front()));
  }
  Value chosen = constant(numbers.front());
  for (auto [i, number] : llvm::drop_begin(llvm::enumerate(numbers))) {
    Value here = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, index, constant(i));
    chosen = builder.create<arith::SelectOp>(loc, here, constant(number), chosen);
  }
  return chosen;
}

void RtDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "colo/Dialect/Rt/RtOps.cpp.inc"
      >();
}

/// Whether sums of elements may be of a type: the same, and f32 for 16-bit floats.
static bool holdsSums(Type element, Type sum) {
  return sum == element || (isa<FloatType>(element) && element.getIntOrFloatBitWidth() == 16 && sum.isF32());
}

LogicalResult ScalarOp::verify() {
  static constexpr StringLiteral integers[] = {"seed", "step",    "first_row", "layer",  "micro_batches",
                                               "dp",   "replica", "stage",     "updates"};
  static constexpr StringLiteral floats[] = {"lr", "bias_correction1", "bias_correction2", "loss_scale"};
  if (llvm::is_contained(integers, getName()))
    return getResult().getType().isInteger(64) ? success() : emitOpError("'") << getName() << "' is an i64";
  if (llvm::is_contained(floats, getName()))
    return getResult().getType().isF64() ? success() : emitOpError("'") << getName() << "' is an f64";
  return emitOpError("unknown scalar '")
         << getName()
         << "'; legal are seed, step, first_row, layer, micro_batches, dp, replica, stage, updates, lr, "
            "bias_correction1, bias_correction2 and loss_scale";
}

LogicalResult InverseCountOp::verify() {
  if (getTermAttr().getInt() < 0)
    return emitOpError("term ") << getTermAttr().getInt() << " is negative";
  return success();
}

LogicalResult LaunchOp::verify() {
  if (!getOuts().empty() && !getResults().empty())
    return emitOpError("has destinations and results; a launch on memrefs has destinations only");
  bool tensors = llvm::any_of(getInputs().getTypes(), llvm::IsaPred<RankedTensorType>);
  bool memrefs = llvm::any_of(getInputs().getTypes(), llvm::IsaPred<MemRefType>);
  if ((tensors || !getResults().empty()) && (memrefs || !getOuts().empty()))
    return emitOpError("mixes tensors and memrefs");
  llvm::SmallDenseSet<Value, 4> destinations;
  for (Value out : getOuts())
    if (!destinations.insert(out).second)
      return emitOpError("names one destination twice");
  if (!getInPlace())
    return success();
  if (getInPlace()->size() != getResults().size())
    return emitOpError("has ") << getResults().size() << " results, of which in_place says " << getInPlace()->size();
  for (auto [number, result] : llvm::zip(*getInPlace(), getResults()))
    if (number != -1 && (number < 0 || number >= static_cast<int64_t>(getInputs().size()) ||
                         getInputs()[number].getType() != result.getType()))
      return emitOpError("has no operand ") << number << " of the type of the result that is made in its place";
  return success();
}

Value LaunchOp::getPlaceOf(unsigned result) {
  int64_t number = getInPlace() ? (*getInPlace())[result] : -1;
  return number < 0 ? Value() : getInputs()[number];
}

static void appendMemrefs(ValueRange values, SmallVector<Value> &memrefs) {
  for (Value value : values)
    if (isa<MemRefType>(value.getType()))
      memrefs.push_back(value);
}

SmallVector<Value> LaunchOp::getRead() {
  // A kernel may add to its destinations.
  SmallVector<Value> read;
  appendMemrefs(getInputs(), read);
  appendMemrefs(getOuts(), read);
  return read;
}

SmallVector<Value> LaunchOp::getWritten() { return SmallVector<Value>(getOuts()); }

SmallVector<Value> GemmOp::getRead() {
  SmallVector<Value> read{getLhs(), getRhs()};
  if (getAccumulate())
    read.push_back(getOut());
  for (Value value : {getBias(), getAddend()})
    if (value)
      read.push_back(value);
  if (readsAux())
    read.push_back(getAux());
  return read;
}

SmallVector<Value> GemmOp::getWritten() {
  SmallVector<Value> written{getOut()};
  if (getSums())
    written.push_back(getSums());
  if (writesAux())
    written.push_back(getAux());
  return written;
}

static MemRefType memrefOf(Value value) { return cast<MemRefType>(value.getType()); }

LogicalResult GemmOp::verify() {
  if (getSizes().size() != 3 || getA().size() != 2 || getB().size() != 2 || getC().size() != 2)
    return emitOpError("needs three sizes and two strides for each matrix");
  size_t rank = getBatch().size();
  if (rank > 4 || getABatch().size() != rank || getBBatch().size() != rank || getCBatch().size() != rank)
    return emitOpError("needs one stride a matrix for each of at most four batch dims");
  if (!llvm::is_contained(getA(), 1) || !llvm::is_contained(getB(), 1) || getC()[1] != 1)
    return emitOpError("needs a stride of 1 in each operand and in the result's last dim");
  Type element = memrefOf(getLhs()).getElementType(), out = memrefOf(getOut()).getElementType();
  if (memrefOf(getRhs()).getElementType() != element || !holdsSums(element, out))
    return emitOpError("element types differ");
  if (getBias() && (memrefOf(getBias()).getElementType() != out || !memrefOf(getBias()).getLayout().isIdentity() ||
                    memrefOf(getBias()).getNumElements() != getSizes()[1]))
    return emitOpError("needs a bias of ")
           << getSizes()[1] << " contiguous elements of " << out << ", not " << getBias().getType();
  if (getAddend() && getAddend().getType() != getOut().getType())
    return emitOpError("needs an addend that lies as the result ")
           << getOut().getType() << ", not " << getAddend().getType();
  if (getAddend() && getAccumulate())
    return emitOpError("adds both to the result's memory and another value");
  if (getActivation() && (getSums() || (readsAux() && (getBias() || getAddend() || getAccumulate()))))
    return emitOpError("has an activation beside another epilogue");
  if (getAux() ? !(readsAux() || writesAux()) || getAux().getType() != getOut().getType() : readsAux())
    return emitOpError("needs `aux` that lies as the result together with an activation that reads or writes it");
  auto isApart = [&](int64_t stride) { return stride % 8 == 0 && stride >= getSizes()[0] * getC()[0]; };
  if (getAux() && (getC()[0] % 8 != 0 || !llvm::all_of(getCBatch(), isApart)))
    return emitOpError("needs rows a multiple of 8 elements apart, in a batch one product behind another, for `aux`");
  if (!getSums() && !getSummed())
    return success();
  if (!getSums() || !getSummed() || *getSummed() > 1 || getBias() || rank != 0)
    return emitOpError("needs `sums` and `summed`, 0 or 1, together, and neither a bias nor a batch");
  if ((*getSummed() ? getB()[1] : getA()[0]) != 1)
    return emitOpError("sums operand ") << *getSummed() << ", which is not contiguous along the sums";
  MemRefType sums = memrefOf(getSums());
  int64_t length = getSizes()[*getSummed()];
  if (sums.getElementType() != out || !sums.getLayout().isIdentity() || sums.getNumElements() != length)
    return emitOpError("needs sums of ") << length << " contiguous elements of " << out << ", not " << sums;
  return success();
}

std::optional<int64_t> colo::rt::stepValueOffset(StringRef scalar) {
  int64_t offset = llvm::StringSwitch<int64_t>(scalar)
                       .Case("step", 0)
                       .Case("lr", 8)
                       .Case("bias_correction1", 16)
                       .Case("bias_correction2", 24)
                       .Case("loss_scale", 32)
                       .Case("updates", 40)
                       .Default(-1);
  return offset < 0 ? std::nullopt : std::optional(offset);
}

LogicalResult BufferOp::verify() {
  static const SmallVector<StringRef> names = {"params",    "copies",      "grads",        "state0",         "state1",
                                               "workspace", "inputs",      "counts",       "inverse_counts", "metrics",
                                               "grad_norm", "step_values", "host_metrics", "host_grad_norm"};
  if (!llvm::is_contained(names, getName()))
    return emitOpError("unknown buffer '") << getName() << "'; legal are " << llvm::join(names, ", ");
  return success();
}

LogicalResult SumOp::verify() {
  Type total = memrefOf(getTotals()).getElementType();
  if (!isa<FloatType>(memrefOf(getValues()).getElementType()))
    return emitOpError("adds floating-point values, not ") << getValues().getType();
  if (!total.isF64() && !total.isInteger(64))
    return emitOpError("adds to f64 or i64, not ") << total;
  if (getElement() >= static_cast<uint64_t>(memrefOf(getTotals()).getNumElements()))
    return emitOpError("adds to element ") << getElement() << " of " << getTotals().getType();
  return success();
}

LogicalResult TableOp::verify() {
  if (memrefOf(getResult()).getNumElements() != static_cast<int64_t>(getValues().size()))
    return emitOpError("has ") << getValues().size() << " numbers for " << getResult().getType();
  return success();
}

LogicalResult SlotOp::verify() {
  Type from = memrefOf(getBase()).getElementType(), to = memrefOf(getResult()).getElementType();
  if (from != to && !from.isInteger(8))
    return emitOpError("reads ") << to << " from a buffer of " << from;
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(getStridesAndOffset(memrefOf(getResult()), strides, offset)) || offset != 0 ||
      llvm::is_contained(strides, ShapedType::kDynamic))
    return emitOpError("result must have static strides and offset 0, but is ") << getResult().getType();
  return success();
}

static LogicalResult verifyCollective(Operation *op, Value send, Value recv, ArrayAttr axes, bool dataParallel) {
  if (memrefOf(send).getElementType() != memrefOf(recv).getElementType())
    return op->emitOpError("element types differ: ") << send.getType() << " and " << recv.getType();
  if (axes.empty() && !dataParallel && !op->hasAttr(kStagesAttr))
    return op->emitOpError("communicates over no axis");
  return success();
}

static LogicalResult verifyKind(Operation *op, StringRef kind) {
  if (kind == "sum" || kind == "max")
    return success();
  return op->emitOpError("unknown reduction '") << kind << "'; legal are sum and max";
}

static LogicalResult verifySameCount(Operation *op, Value send, Value recv) {
  if (memrefOf(send).getNumElements() == memrefOf(recv).getNumElements())
    return success();
  return op->emitOpError("sends ") << memrefOf(send).getNumElements() << " elements and receives "
                                   << memrefOf(recv).getNumElements();
}

LogicalResult AllReduceOp::verify() {
  if (failed(verifyCollective(*this, getSend(), getRecv(), getAxes(), getDataParallel())) ||
      failed(verifyKind(*this, getKind())))
    return failure();
  return verifySameCount(*this, getSend(), getRecv());
}

LogicalResult AllGatherOp::verify() {
  return verifyCollective(*this, getSend(), getRecv(), getAxes(), getDataParallel());
}

LogicalResult ReduceScatterOp::verify() {
  if (failed(verifyCollective(*this, getSend(), getRecv(), getAxes(), getDataParallel())))
    return failure();
  return verifyKind(*this, getKind());
}

LogicalResult AllToAllOp::verify() {
  if (failed(verifyCollective(*this, getSend(), getRecv(), getAxes(), getDataParallel())))
    return failure();
  return verifySameCount(*this, getSend(), getRecv());
}

LogicalResult PermuteOp::verify() {
  if (failed(verifyCollective(*this, getSend(), getRecv(), getAxes(), getDataParallel())))
    return failure();
  int64_t ranks = static_cast<int64_t>(getSources().size());
  llvm::BitVector seen(static_cast<unsigned>(ranks));
  for (int64_t source : getSources()) {
    if (source < 0 || source >= ranks || seen[static_cast<unsigned>(source)])
      return emitOpError("sources are not a permutation of the ranks");
    seen.set(static_cast<unsigned>(source));
  }
  return verifySameCount(*this, getSend(), getRecv());
}

LogicalResult BroadcastOp::verify() {
  if (failed(verifyCollective(*this, getSend(), getRecv(), getAxes(), getDataParallel())))
    return failure();
  return verifySameCount(*this, getSend(), getRecv());
}

LogicalResult ReduceOp::verify() {
  if (failed(verifyCollective(*this, getSend(), getRecv(), getAxes(), getDataParallel())) ||
      failed(verifyKind(*this, getKind())))
    return failure();
  return verifySameCount(*this, getSend(), getRecv());
}

LogicalResult ScatterAddOp::verify() {
  llvm::ArrayRef<int64_t> gradient = getGradient().getType().getShape(), ids = getIds().getType().getShape();
  llvm::ArrayRef<int64_t> table = getResult().getType().getShape();
  if (table.empty() || gradient.size() != ids.size() + table.size() - 1 || gradient.take_front(ids.size()) != ids ||
      gradient.drop_front(ids.size()) != table.drop_front())
    return emitOpError("gradient must be the ids' shape followed by the result's row shape");
  if (!holdsSums(getGradient().getType().getElementType(), getResult().getType().getElementType()))
    return emitOpError("gradient and result differ in element type");
  if (!getIds().getType().getElementType().isSignlessInteger())
    return emitOpError("ids must be integers");
  return success();
}

LogicalResult AttentionOp::verify() {
  auto shape = [](Value value) { return cast<RankedTensorType>(value.getType()).getShape(); };
  bool forward = getPart() == AttentionPart::Forward;
  llvm::ArrayRef<int64_t> query = shape(getQuery()), key = shape(getKey());
  if (query.size() != 4 || key.size() != 4 || shape(getValue()) != key || query[0] != key[0] || query[3] != key[3] ||
      key[2] == 0 || query[2] % key[2] != 0)
    return emitOpError("needs query [b,s,a,D], key and value [b,t,c,D], where c divides a");
  auto element = [](Value value) { return cast<RankedTensorType>(value.getType()).getElementType(); };
  if (element(getKey()) != element(getQuery()) || element(getValue()) != element(getQuery()) ||
      (getMask() && !element(getMask()).isInteger(1)))
    return emitOpError("query, key and value must have one element type, a mask i1");
  if (bool(getLse()) == forward || bool(getGradient()) == forward || bool(getDelta()) == forward)
    return emitOpError("the gradient's parts, and they alone, read lse, gradient and delta");
  llvm::SmallVector<int64_t> statistics{query[0], query[2], query[1]};
  llvm::SmallVector<llvm::ArrayRef<int64_t>> results;
  if (getPart() == AttentionPart::DKeyDValue)
    results = {key, key};
  else
    results.push_back(query);
  if (forward)
    results.push_back(statistics);
  else if (shape(getLse()) != llvm::ArrayRef(statistics) || shape(getDelta()) != llvm::ArrayRef(statistics) ||
           shape(getGradient()) != query)
    return emitOpError("lse and delta must be [b,a,s], the gradient like the query");
  if (getNumResults() != results.size() || !llvm::all_of(llvm::zip(getResults(), results), [&](auto pair) {
        return shape(std::get<0>(pair)) == std::get<1>(pair);
      }))
    return emitOpError("results must be output and lse, dquery, or dkey and dvalue");
  if (!getInto().empty() && getInto().getTypes() != getResultTypes())
    return emitOpError("is made into values of the results' types, one each, or none");
  if (getMask() && shape(getMask()) != llvm::ArrayRef<int64_t>({key[0], key[1]}))
    return emitOpError("mask must be [b,t]");
  if (getRandom().size() != (getDropout().convertToDouble() > 0 ? 3 : 0))
    return emitOpError("random must be seed, instance and step where there is dropout");
  if (getSizes().size() != 4 || static_cast<int64_t>(getRun()) < 1 || key[1] % static_cast<int64_t>(getRun()) != 0)
    return emitOpError("needs the sizes of all positions, and runs that divide the keys");
  if (getPositions().getNumArguments() != 4 || getPositions().front().getTerminator()->getNumOperands() != 4)
    return emitOpError("the region maps four indices to four positions");
  return success();
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

static int64_t elementsOf(Value buffer) { return memrefOf(buffer).getNumElements(); }

std::optional<NcclCall> AllReduceOp::getCall(int64_t) {
  return NcclCall{"ncclAllReduce", elementsOf(getSend()), getKind()};
}

std::optional<NcclCall> AllGatherOp::getCall(int64_t) { return NcclCall{"ncclAllGather", elementsOf(getSend())}; }

std::optional<NcclCall> ReduceScatterOp::getCall(int64_t) {
  return NcclCall{"ncclReduceScatter", elementsOf(getRecv()), getKind()};
}

std::optional<NcclCall> AllToAllOp::getCall(int64_t ranks) {
  return NcclCall{"ncclAlltoAll", elementsOf(getSend()) / ranks};
}

/// A send and a receive.
std::optional<NcclCall> PermuteOp::getCall(int64_t) { return std::nullopt; }

std::optional<NcclCall> BroadcastOp::getCall(int64_t) {
  return NcclCall{"ncclBroadcast", elementsOf(getSend()), std::nullopt, static_cast<int64_t>(getRoot())};
}

std::optional<NcclCall> ReduceOp::getCall(int64_t) {
  return NcclCall{"ncclReduce", elementsOf(getSend()), getKind(), static_cast<int64_t>(getRoot())};
}

std::optional<NcclCall> SendOp::getCall(int64_t) {
  return NcclCall{"ncclSend", elementsOf(getBuffer()), std::nullopt, static_cast<int64_t>(getPeer())};
}

std::optional<NcclCall> ReceiveOp::getCall(int64_t) {
  return NcclCall{"ncclRecv", elementsOf(getBuffer()), std::nullopt, static_cast<int64_t>(getPeer())};
}
