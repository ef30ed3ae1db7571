//===- ColoOps.cpp - verifiers of the colo dialect -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Shapes and element types only; encodings belong to the dist dialect. What an
// op means to a pass is in the files named after the interface: FactorMaps,
// ScalarBodies, Adjoints, Decompositions.
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Colo/ColoDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace colo;

#include "colo/Dialect/Colo/ColoDialect.cpp.inc"
#include "colo/Dialect/Colo/ColoEnums.cpp.inc"
#include "colo/Dialect/Colo/ColoInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "colo/Dialect/Colo/ColoAttrs.cpp.inc"

/// A possibly empty list of types in parentheses, which the declarative format has no spelling for.
static ParseResult parseTypes(OpAsmParser &parser, SmallVectorImpl<Type> &types) {
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren,
                                        [&] { return parser.parseType(types.emplace_back()); });
}

static void printTypes(OpAsmPrinter &printer, Operation *, TypeRange types) { printer << '(' << types << ')'; }

/// One type for all three, or `lhs, rhs -> result`.
static ParseResult parseBinaryTypes(OpAsmParser &parser, Type &lhs, Type &rhs, Type &result) {
  if (parser.parseType(lhs))
    return failure();
  rhs = result = lhs;
  if (failed(parser.parseOptionalComma()))
    return success();
  return failure(parser.parseType(rhs) || parser.parseArrow() || parser.parseType(result));
}

static void printBinaryTypes(OpAsmPrinter &printer, Operation *, Type lhs, Type rhs, Type result) {
  printer << lhs;
  if (lhs != rhs || lhs != result)
    printer << ", " << rhs << " -> " << result;
}

#define GET_OP_CLASSES
#include "colo/Dialect/Colo/ColoOps.cpp.inc"

void ColoDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "colo/Dialect/Colo/ColoAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "colo/Dialect/Colo/ColoOps.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Shared helpers
//===----------------------------------------------------------------------===//

EinsumSpec colo::parseEinsumSpec(StringRef spec) {
  auto [operands, result] = spec.split("->");
  auto [lhs, rhs] = operands.split(',');
  return {lhs, rhs, result};
}

RankedTensorType colo::withShape(Type like, ArrayRef<int64_t> shape) {
  return RankedTensorType::get(shape, getElementTypeOrSelf(like));
}

Type colo::arithmeticType(Type element) {
  return isa<FloatType>(element) && element.getIntOrFloatBitWidth() == 16 ? Float32Type::get(element.getContext())
                                                                          : element;
}

Value colo::splat(OpBuilder &builder, Location loc, Type type, double value) {
  return builder.create<ConstantOp>(loc, type, builder.getF64FloatAttr(value));
}

static ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

static LogicalResult checkSameElementType(Operation *op, Value a, Value b) {
  if (getElementTypeOrSelf(a) == getElementTypeOrSelf(b))
    return success();
  return op->emitOpError("element types differ: ") << a.getType() << " and " << b.getType();
}

/// Of a sum: operands of 16 bits may be added up as f32.
static LogicalResult checkSumType(Operation *op, Value operand, Value sum) {
  Type element = getElementTypeOrSelf(operand);
  if (arithmeticType(element) == getElementTypeOrSelf(sum))
    return success();
  return checkSameElementType(op, operand, sum);
}

//===----------------------------------------------------------------------===//
// Program structure
//===----------------------------------------------------------------------===//

static int64_t product(ArrayRef<int64_t> shape) {
  int64_t n = 1;
  for (int64_t d : shape)
    n *= d;
  return n;
}

LogicalResult ParamOp::verify() {
  auto type = dyn_cast<RankedTensorType>(getType());
  if (!type || !type.hasStaticShape())
    return emitOpError("needs a static tensor type");
  if (getLogicalShape().size() != static_cast<size_t>(type.getRank()))
    return emitOpError("logical_shape has ") << getLogicalShape().size() << " dims, the type " << type.getRank();
  for (auto [logical, stored] : llvm::zip(getLogicalShape(), type.getShape()))
    // Once cut, the type is one rank's part.
    if (logical > stored && !getSharding())
      return emitOpError("logical dim ") << logical << " exceeds stored dim " << stored;
  if (product(getFileShape()) != product(getLogicalShape()))
    return emitOpError("file_shape and logical_shape hold different numbers of elements");
  if (getLayers() < 1)
    return emitOpError("layers must be at least 1");
  if (getLayers() > 1 && getSymName().count('#') != 1)
    return emitOpError("a stacked parameter's name needs one '#'");
  if (getReadAs() && arithmeticType(*getReadAs()) != type.getElementType())
    return emitOpError("cannot be read as ")
           << *getReadAs() << ": a copy is of 16-bit floats, and the parameter of f32";
  return success();
}

LogicalResult LayersOp::verify() {
  if (getCount() < 1)
    return emitOpError("count must be at least 1");
  if (getCarried().getTypes() != getCarriedOut().getTypes())
    return emitOpError("carried values must keep their types");
  auto leads = [&](Value v) {
    auto type = cast<RankedTensorType>(v.getType());
    return type.getRank() > 0 && type.getDimSize(0) == static_cast<int64_t>(getCount());
  };
  for (Value v : getStacked())
    if (!leads(v))
      return emitOpError("a stacked value's leading dim must be the count ") << getCount() << ": " << v.getType();
  for (Value v : getStackedOut())
    if (!leads(v))
      return emitOpError("a stacked value's leading dim must be the count ") << getCount() << ": " << v.getType();
  return success();
}

//===----------------------------------------------------------------------===//
// Shape ops
//===----------------------------------------------------------------------===//

LogicalResult BroadcastOp::verify() {
  ArrayRef<int64_t> in = shapeOf(getInput()), out = shapeOf(getResult()), dims = getDims();
  if (dims.size() != in.size())
    return emitOpError("dims must name a result dim for each operand dim");
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] < 0 || dims[i] >= static_cast<int64_t>(out.size()) || (i && dims[i] <= dims[i - 1]))
      return emitOpError("dims must rise and lie within the result's rank");
    if (out[dims[i]] != in[i])
      return emitOpError("operand dim ") << i << " is " << in[i] << ", result dim " << dims[i] << " is "
                                         << out[dims[i]];
  }
  return checkSameElementType(*this, getInput(), getResult());
}

LogicalResult ReduceOp::verify() {
  ArrayRef<int64_t> in = shapeOf(getInput()), out = shapeOf(getResult());
  llvm::SmallVector<int64_t> kept;
  for (int64_t d = 0; d < static_cast<int64_t>(in.size()); ++d)
    if (!llvm::is_contained(getDims(), d))
      kept.push_back(in[d]);
  if (kept.size() + getDims().size() != in.size())
    return emitOpError("dims must be distinct and lie within the operand's rank");
  if (ArrayRef<int64_t>(kept) != out)
    return emitOpError("result shape is not the operand's without the reduced dims");
  if (getElementTypeOrSelf(getResult()) != arithmeticType(getElementTypeOrSelf(getInput())))
    return emitOpError("of ") << getInput().getType() << " cannot be " << getResult().getType();
  return success();
}

LogicalResult TransposeOp::verify() {
  ArrayRef<int64_t> in = shapeOf(getInput()), out = shapeOf(getResult()), perm = getPermutation();
  if (perm.size() != in.size() || out.size() != in.size())
    return emitOpError("permutation must cover every dim");
  llvm::SmallVector<bool> seen(in.size());
  for (size_t i = 0; i < perm.size(); ++i) {
    if (perm[i] < 0 || perm[i] >= static_cast<int64_t>(in.size()) || seen[perm[i]])
      return emitOpError("not a permutation");
    seen[perm[i]] = true;
    if (out[i] != in[perm[i]])
      return emitOpError("result dim ") << i << " is " << out[i] << ", operand dim " << perm[i] << " is "
                                        << in[perm[i]];
  }
  return checkSameElementType(*this, getInput(), getResult());
}

LogicalResult ReshapeOp::verify() {
  if (product(shapeOf(getInput())) != product(shapeOf(getResult())))
    return emitOpError("operand and result hold different numbers of elements");
  return checkSameElementType(*this, getInput(), getResult());
}

static LogicalResult verifyWindow(Operation *op, ArrayRef<int64_t> whole, ArrayRef<int64_t> part,
                                  ArrayRef<int64_t> offsets, ArrayRef<int64_t> strides) {
  if (whole.size() != part.size() || offsets.size() != whole.size() || strides.size() != whole.size())
    return op->emitOpError("offsets and strides must have one entry a dim");
  for (size_t i = 0; i < whole.size(); ++i)
    if (offsets[i] < 0 || strides[i] < 1 || (part[i] > 0 && offsets[i] + (part[i] - 1) * strides[i] >= whole[i]))
      return op->emitOpError("window leaves dim ") << i << " of size " << whole[i];
  return success();
}

LogicalResult SliceOp::verify() {
  if (failed(verifyWindow(*this, shapeOf(getInput()), shapeOf(getResult()), getOffsets(), getStrides())))
    return failure();
  return checkSameElementType(*this, getInput(), getResult());
}

LogicalResult PadOp::verify() {
  if (failed(verifyWindow(*this, shapeOf(getResult()), shapeOf(getInput()), getOffsets(), getStrides())))
    return failure();
  return checkSameElementType(*this, getInput(), getResult());
}

LogicalResult ConcatOp::verify() {
  if (getInputs().empty())
    return emitOpError("needs an operand");
  ArrayRef<int64_t> out = shapeOf(getResult());
  int64_t dim = getDim(), total = 0;
  if (dim < 0 || dim >= static_cast<int64_t>(out.size()))
    return emitOpError("dim lies outside the result's rank");
  for (Value v : getInputs()) {
    ArrayRef<int64_t> in = shapeOf(v);
    if (in.size() != out.size())
      return emitOpError("operands need the result's rank");
    for (size_t i = 0; i < in.size(); ++i)
      if (static_cast<int64_t>(i) != dim && in[i] != out[i])
        return emitOpError("operands differ in dim ") << i;
    total += in[dim];
  }
  if (total != out[dim])
    return emitOpError("result dim ") << dim << " is " << out[dim] << ", the operands' sum is " << total;
  return success();
}

//===----------------------------------------------------------------------===//
// Products, attention, embedding
//===----------------------------------------------------------------------===//

Value colo::madeInPlaceOf(Value result) {
  auto op = result.getDefiningOp<InPlaceOpInterface>();
  return op ? op.getPlaceOf(cast<OpResult>(result).getResultNumber()) : Value();
}

Value colo::madeInPlace(OpOperand &use) {
  for (Value result : use.getOwner()->getResults())
    if (madeInPlaceOf(result) == use.get())
      return result;
  return {};
}

/// What results are made in place of.
static LogicalResult verifyInPlace(InPlaceOpInterface op) {
  for (OpResult result : op->getResults())
    if (Value place = op.getPlaceOf(result.getResultNumber())) {
      if (place.getType() != result.getType())
        return op->emitOpError("adds to a value of another type: ") << place.getType() << " and " << result.getType();
      if (!place.hasOneUse())
        return op->emitOpError("adds in place to a value that something else reads");
    }
  return success();
}

/// The letters of the result, of dims longer than 1, that `operand` has and `other` has not.
static std::string ownLetters(StringRef result, ArrayRef<int64_t> shape, StringRef operand, StringRef other) {
  std::string own;
  for (auto [letter, size] : llvm::zip(result, shape))
    if (size != 1 && operand.contains(letter) && !other.contains(letter))
      own += letter;
  return own;
}

Value colo::biasOf(EinsumOp product, Value added) {
  auto broadcast = added.getDefiningOp<BroadcastOp>();
  if (!broadcast)
    return {};
  EinsumSpec spec = parseEinsumSpec(product.getSpec());
  ArrayRef<int64_t> shape = product.getType().getShape(), dims = broadcast.getDims();
  size_t outer = shape.size() - dims.size();
  for (auto [i, dim] : llvm::enumerate(dims))
    if (dim != static_cast<int64_t>(outer + i))
      return {};
  std::string letters;
  for (size_t dim = outer; dim < shape.size(); ++dim)
    if (shape[dim] != 1)
      letters += spec.result[dim];
  bool isOneSide = letters == ownLetters(spec.result, shape, spec.lhs, spec.rhs) ||
                   letters == ownLetters(spec.result, shape, spec.rhs, spec.lhs);
  return isOneSide ? broadcast.getInput() : Value();
}

static LogicalResult verifySums(EinsumOp op) {
  if (!op.getSums() && !op.getSummed())
    return success();
  if (!op.getSums() || !op.getSummed())
    return op.emitOpError("needs `summed` and a second result together");
  if (*op.getSummed() > 1)
    return op.emitOpError("has no operand ") << *op.getSummed() << " to sum; legal are 0 and 1";
  if (op.getBias())
    return op.emitOpError("has both a bias and sums");
  EinsumSpec spec = parseEinsumSpec(op.getSpec());
  StringRef letters = *op.getSummed() ? spec.rhs : spec.lhs, other = *op.getSummed() ? spec.lhs : spec.rhs;
  SmallVector<int64_t> kept;
  size_t last = 0;
  for (auto [letter, size] : llvm::zip(letters, shapeOf(op->getOperand(*op.getSummed())))) {
    if (spec.result.contains(letter) && other.contains(letter))
      return op.emitOpError("sums an operand with a batch dim, '") << letter << "'";
    size_t place = spec.result.find(letter);
    if (place == StringRef::npos)
      continue;
    if (place < last)
      return op.emitOpError("sums to dims in another order than the result's");
    last = place;
    kept.push_back(size);
  }
  auto type = RankedTensorType::get(kept, op.getType().getElementType());
  if (op.getSums().getType() != type)
    return op.emitOpError("sums to ") << type << ", not " << op.getSums().getType();
  return success();
}

std::optional<ActivationRule> colo::activationRule(Epilogue epilogue) {
  switch (epilogue) {
  case Epilogue::GeluGrad:
    return ActivationRule{/*readsAux=*/true, /*keepsArgument=*/false, /*isExact=*/false};
  case Epilogue::Gelu:
    return ActivationRule{/*readsAux=*/false, /*keepsArgument=*/true, /*isExact=*/false};
  case Epilogue::Relu:
    return ActivationRule{/*readsAux=*/false, /*keepsArgument=*/false, /*isExact=*/true};
  case Epilogue::Bias:
  case Epilogue::Plus:
  case Epilogue::Sums:
    return std::nullopt;
  }
  llvm_unreachable("unknown epilogue");
}

static std::string activationNames() {
  SmallVector<StringRef> names;
  for (uint32_t number = 0; number <= getMaxEnumValForEpilogue(); ++number)
    if (auto epilogue = static_cast<Epilogue>(number); activationRule(epilogue))
      names.push_back(stringifyEpilogue(epilogue));
  return llvm::join(names, ", ");
}

static LogicalResult verifyActivation(EinsumOp op) {
  RankedTensorType result = op.getType();
  ActivationRule rule{false, false, false};
  if (std::optional<Epilogue> epilogue = op.getActivation()) {
    std::optional<ActivationRule> found = activationRule(*epilogue);
    if (!found)
      return op.emitOpError("has '") << stringifyEpilogue(*epilogue) << "', which is no activation; legal are "
                                     << activationNames();
    rule = *found;
    if (op.getInto() || op.getSums() || (rule.readsAux && (op.getBias() || op.getAddend())))
      return op.emitOpError("has an activation beside another epilogue");
  }
  if (rule.readsAux != static_cast<bool>(op.getAux()) || (op.getAux() && op.getAux().getType() != result))
    return op.emitOpError("needs `aux` of ") << result << " together with an activation that reads it";
  if (op.getArgument() && (!rule.keepsArgument || op.getArgument().getType() != result))
    return op.emitOpError("gives an argument, which needs an activation that keeps it, of ") << result;
  return success();
}

static LogicalResult verifyEpilogue(EinsumOp op) {
  RankedTensorType result = op.getType();
  if (Value bias = op.getBias()) {
    size_t rank = shapeOf(bias).size();
    if (rank > result.getShape().size() || shapeOf(bias) != result.getShape().take_back(rank) ||
        getElementTypeOrSelf(bias) != result.getElementType())
      return op.emitOpError("has a bias of ") << bias.getType() << ", which is not of the last dims of " << result;
  }
  if (failed(verifySums(op)))
    return failure();
  if (failed(verifyActivation(op)))
    return failure();
  if (!op.getAddend())
    return success();
  if (op.getAddend().getType() != result)
    return op.emitOpError("adds a value of another type: ") << op.getAddend().getType() << " and " << result;
  if (op.getInto())
    return op.emitOpError("adds both in place and a value that stays");
  return success();
}

LogicalResult EinsumOp::verify() {
  StringRef text = getSpec();
  if (text.count(',') != 1 || text.count("->") != 1)
    return emitOpError("spec must read \"ab,bc->ac\"");
  EinsumSpec spec = parseEinsumSpec(text);
  llvm::SmallDenseMap<char, int64_t> sizes;
  auto check = [&](StringRef letters, Value value) -> LogicalResult {
    ArrayRef<int64_t> shape = shapeOf(value);
    if (letters.size() != shape.size())
      return emitOpError("spec \"") << letters << "\" names " << letters.size() << " dims of " << value.getType();
    llvm::SmallDenseSet<char> seen;
    for (auto [letter, size] : llvm::zip(letters, shape)) {
      if (!llvm::isAlpha(letter) || !seen.insert(letter).second)
        return emitOpError("spec \"") << letters << "\" must use each letter once";
      auto [it, isNew] = sizes.try_emplace(letter, size);
      if (!isNew && it->second != size)
        return emitOpError("factor '") << letter << "' is " << it->second << " and " << size;
    }
    return success();
  };
  if (failed(checkSameElementType(*this, getLhs(), getRhs())) || failed(checkSumType(*this, getLhs(), getResult())))
    return failure();
  if (failed(check(spec.lhs, getLhs())) || failed(check(spec.rhs, getRhs())) || failed(check(spec.result, getResult())))
    return failure();
  for (char c : spec.result)
    if (!spec.lhs.contains(c) && !spec.rhs.contains(c))
      return emitOpError("result factor '") << c << "' is in no operand";
  for (StringRef operand : {spec.lhs, spec.rhs})
    for (char c : operand)
      if (!spec.result.contains(c) && !(spec.lhs.contains(c) && spec.rhs.contains(c)))
        return emitOpError("factor '") << c << "' is in one operand only and not in the result";
  if (failed(verifyEpilogue(*this)))
    return failure();
  return verifyInPlace(*this);
}

static LogicalResult verifyMask(Operation *op, Value mask, ArrayRef<int64_t> key) {
  if (mask && (shapeOf(mask) != key.take_front(2) || !getElementTypeOrSelf(mask).isInteger(1)))
    return op->emitOpError("mask must be [b,t] of i1");
  return success();
}

LogicalResult AttentionOp::verify() {
  ArrayRef<int64_t> q = shapeOf(getQuery()), k = shapeOf(getKey()), v = shapeOf(getValue()), o = shapeOf(getResult());
  if (q.size() != 4 || k.size() != 4 || v != k || q != o)
    return emitOpError("needs query [b,s,a,D], key and value [b,t,c,D], result like query");
  if (q[0] != k[0] || q[3] != k[3] || k[2] == 0 || q[2] % k[2] != 0)
    return emitOpError("query and key must agree in batch and head size, and key heads divide query heads");
  if (shapeOf(getLse()) != ArrayRef<int64_t>({q[0], q[2], q[1]}))
    return emitOpError("lse must be [b,a,s]");
  if (!getInto().empty() && getInto().size() != 2)
    return emitOpError("is made in place of a result and its lse, not of ") << getInto().size() << " values";
  return failure(failed(verifyInPlace(*this)) || failed(verifyMask(*this, getMask(), k)));
}

LogicalResult AttentionGradOp::verify() {
  if (!getDkeySum() != !getDvalueSum())
    return emitOpError("adds the gradients of key and value to sums, or neither");
  return failure(failed(verifyInPlace(*this)) || failed(verifyMask(*this, getMask(), shapeOf(getKey()))));
}

LogicalResult EmbeddingOp::verify() {
  llvm::SmallVector<int64_t> expected(shapeOf(getIds()));
  llvm::append_range(expected, shapeOf(getTable()).drop_front());
  if (ArrayRef<int64_t>(expected) != shapeOf(getResult()))
    return emitOpError("result must be the ids' shape followed by the table's row shape");
  return checkSameElementType(*this, getTable(), getResult());
}
