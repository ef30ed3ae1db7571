//===- LoopOps.cpp - loops over rounds --------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/DistDialect.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace colo;
using namespace colo::dist;

void LoopOp::build(OpBuilder &builder, OperationState &state, int64_t count, ValueRange carried, ValueRange invariants,
                   TypeRange assembled, ArrayRef<int64_t> dims) {
  SmallVector<Value> outer;
  if (Block *block = builder.getInsertionBlock())
    if (auto around = dyn_cast_or_null<LoopOp>(block->getParentOp()))
      llvm::append_range(outer, around.rounds());
  state.addOperands(outer);
  state.addOperands(carried);
  state.addOperands(invariants);
  Properties &properties = state.getOrAddProperties<Properties>();
  properties.setCount(builder.getI64IntegerAttr(count));
  properties.setDims(builder.getDenseI64ArrayAttr(dims));
  llvm::copy(ArrayRef<int32_t>{static_cast<int32_t>(outer.size()), static_cast<int32_t>(carried.size()),
                               static_cast<int32_t>(invariants.size())},
             properties.operandSegmentSizes.begin());
  state.addTypes(carried.getTypes());
  state.addTypes(assembled);
  OpBuilder::InsertionGuard guard(builder);
  Block *body = builder.createBlock(state.addRegion());
  body->addArgument(builder.getIndexType(), state.location);
  for (Value value : state.operands)
    body->addArgument(value.getType(), value.getLoc());
}

/// `carrying (%a = %b : type, …)`: arguments of the body and what they start as.
static ParseResult parseBindings(OpAsmParser &parser, StringRef keyword,
                                 SmallVectorImpl<OpAsmParser::Argument> &arguments,
                                 SmallVectorImpl<OpAsmParser::UnresolvedOperand> &operands) {
  if (failed(parser.parseOptionalKeyword(keyword)))
    return success();
  auto parseOne = [&] {
    return failure(parser.parseArgument(arguments.emplace_back()) || parser.parseEqual() ||
                   parser.parseOperand(operands.emplace_back()) || parser.parseColonType(arguments.back().type));
  };
  return parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, parseOne);
}

ParseResult LoopOp::parse(OpAsmParser &parser, OperationState &state) {
  SmallVector<OpAsmParser::Argument> arguments(1);
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  int64_t count;
  arguments.front().type = parser.getBuilder().getIndexType();
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseArgument(arguments.front()) || parser.parseKeyword("in") || parser.parseInteger(count))
    return failure();
  SmallVector<int32_t> segments;
  for (StringRef keyword : {"inside", "carrying", "reading"}) {
    size_t before = operands.size();
    if (parseBindings(parser, keyword, arguments, operands))
      return failure();
    segments.push_back(static_cast<int32_t>(operands.size() - before));
  }
  SmallVector<Type> types;
  for (const OpAsmParser::Argument &argument : ArrayRef(arguments).drop_front())
    types.push_back(argument.type);
  Properties &properties = state.getOrAddProperties<Properties>();
  properties.setCount(parser.getBuilder().getI64IntegerAttr(count));
  llvm::copy(segments, properties.operandSegmentSizes.begin());
  if (parser.resolveOperands(operands, types, loc, state.operands) ||
      parser.parseRegion(*state.addRegion(), arguments) || parser.parseOptionalAttrDict(state.attributes))
    return failure();
  return parser.parseOptionalColonTypeList(state.types);
}

void LoopOp::print(OpAsmPrinter &printer) {
  printer << ' ' << round() << " in " << getCount();
  auto bind = [&](StringRef keyword, ValueRange arguments, ValueRange operands) {
    if (operands.empty())
      return;
    printer << ' ' << keyword << " (";
    llvm::interleaveComma(llvm::zip(arguments, operands), printer, [&](auto pair) {
      auto [argument, operand] = pair;
      printer << argument << " = " << operand << " : " << operand.getType();
    });
    printer << ')';
  };
  bind("inside", rounds().drop_front(), getOuter());
  bind("carrying", carriedArguments(), getCarried());
  bind("reading", invariantArguments(), getInvariants());
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
  SmallVector<StringRef> elided{"count", "operandSegmentSizes"};
  if (getDims().empty())
    elided.push_back("dims");
  printer.printOptionalAttrDict((*this)->getAttrs(), elided);
  if (getNumResults())
    printer << " : " << getResultTypes();
}

LogicalResult LoopOp::verify() {
  if (static_cast<int64_t>(getCount()) < 1)
    return emitOpError("needs at least one round, not ") << static_cast<int64_t>(getCount());
  SmallVector<Type> arguments{IndexType::get(getContext())};
  llvm::append_range(arguments, getOperandTypes());
  if (TypeRange(arguments) != TypeRange(block().getArgumentTypes()))
    return emitOpError("has a body whose arguments are not the round and its operands");
  auto around = dyn_cast<LoopOp>((*this)->getParentOp());
  if (around ? !llvm::equal(getOuter(), around.rounds()) : !getOuter().empty())
    return emitOpError("takes the numbers of the rounds around it, innermost first");
  auto yield = dyn_cast<YieldOp>(block().getTerminator());
  if (!yield || yield.getNumOperands() != getNumResults())
    return emitOpError("yields one value a result");
  if (getNumResults() != getCarried().size() + getDims().size())
    return emitOpError("has one result a carried value and one a dim of `dims`");
  for (auto [value, result, start] : llvm::zip(yield.getValues(), getResults(), getCarried()))
    if (value.getType() != result.getType() || value.getType() != start.getType())
      return emitOpError("carries ") << start.getType() << ", yields " << value.getType() << " and gives "
                                     << result.getType();
  for (auto [value, result, dim] :
       llvm::zip(yield.getValues().drop_front(getCarried().size()), assembledResults(), getDims())) {
    auto part = cast<RankedTensorType>(value.getType()), whole = cast<RankedTensorType>(result.getType());
    SmallVector<int64_t> shape(part.getShape());
    if (dim < 0 || dim >= part.getRank())
      return emitOpError("has no dim ") << dim << " in " << part;
    shape[dim] *= static_cast<int64_t>(getCount());
    if (whole.getShape() != ArrayRef(shape) || whole.getElementType() != part.getElementType())
      return emitOpError("puts ") << part << " together to " << whole;
  }
  return success();
}

bool LoopOp::isInPlace(unsigned index) {
  Value argument = carriedArguments()[index], value = block().getTerminator()->getOperand(index);
  while (value != argument) {
    Operation *maker = value.getDefiningOp();
    if (auto wait = dyn_cast_or_null<WaitOp>(maker))
      value = wait.getInputs()[cast<OpResult>(value).getResultNumber()];
    else
      value = madeInPlaceOf(value);
    if (!value)
      return false;
  }
  return argument.hasOneUse();
}

/// The view of `whole` all of whose elements a value is, maybe under another shape: `whole` itself or a slice of it.
/// Null if there is none.
static Value viewOf(Value value, Value whole) {
  int64_t elements = cast<RankedTensorType>(value.getType()).getNumElements();
  while (value && value != whole) {
    auto view = value.getDefiningOp<ViewOpInterface>();
    if (!view || cast<RankedTensorType>(value.getType()).getNumElements() != elements)
      return {};
    if (view->getOperand(0) == whole && isa<SliceOp>(view.getOperation()))
      return value;
    value = view->getOperand(0);
  }
  return value;
}

/// Whether two slices of a value have no element in common: in some dim one ends before the other begins, or steps over
/// it.
static bool areDisjoint(SliceOp a, SliceOp b) {
  for (auto [dim, sizes] : llvm::enumerate(llvm::zip(a.getType().getShape(), b.getType().getShape()))) {
    auto [sizeA, sizeB] = sizes;
    int64_t startA = a.getOffsets()[dim], startB = b.getOffsets()[dim];
    int64_t strideA = a.getStrides()[dim], strideB = b.getStrides()[dim];
    if (startA + (sizeA - 1) * strideA < startB || startB + (sizeB - 1) * strideB < startA ||
        (strideA == strideB && (startA - startB) % strideA != 0))
      return true;
  }
  return false;
}

LogicalResult UpdatedOp::verify() {
  int64_t elements = 0;
  SmallVector<SliceOp> slices;
  for (Value part : getParts()) {
    Value place = madeInPlaceOf(part), view = place ? viewOf(place, getWhole()) : Value();
    if (!view)
      return emitOpError("has a part that is not made in place of one of its value");
    elements += cast<RankedTensorType>(part.getType()).getNumElements();
    auto slice = view == getWhole() ? SliceOp() : view.getDefiningOp<SliceOp>();
    for (SliceOp other : slices)
      if (slice && !areDisjoint(slice, other))
        return emitOpError("has parts in place of slices that overlap: those at ")
               << other.getOffsetsAttr() << " and at " << slice.getOffsetsAttr();
    if (slice)
      slices.push_back(slice);
  }
  if (elements != getWhole().getType().getNumElements())
    return emitOpError("has parts that are not all of its value");
  return success();
}

LogicalResult PartOp::verify() {
  SmallVector<int64_t> shape(getInput().getType().getShape());
  ArrayRef<int64_t> result = getResult().getType().getShape();
  size_t dim = getDim();
  if (dim >= shape.size() || result.size() != shape.size() || result[dim] < 1 || shape[dim] % result[dim] != 0)
    return emitOpError("has a dim that is not there, or that its result's does not divide");
  shape[dim] = result[dim];
  if (ArrayRef<int64_t>(shape) != result)
    return emitOpError("keeps all dims but ") << dim;
  return success();
}
