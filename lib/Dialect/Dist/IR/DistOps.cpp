//===- DistOps.cpp - text form and verifiers of the dist dialect -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A collective in global form is verified by computing its result's sharding
// again; in local form by its shapes and the size of its group.
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/DistDialect.h"
#include "colo/Dialect/Dist/Sharding.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace colo;
using namespace colo::dist;

//===----------------------------------------------------------------------===//
// The sharding attribute
//===----------------------------------------------------------------------===//

/// `{"a","b"}`
static ParseResult parseAxisSet(AsmParser &parser, ArrayAttr &axes) {
  SmallVector<Attribute> names;
  auto parseOne = [&] {
    std::string name;
    if (parser.parseString(&name))
      return failure();
    names.push_back(StringAttr::get(parser.getContext(), name));
    return success();
  };
  if (parser.parseLBrace())
    return failure();
  if (failed(parser.parseOptionalRBrace()) && (parser.parseCommaSeparatedList(parseOne) || parser.parseRBrace()))
    return failure();
  axes = ArrayAttr::get(parser.getContext(), names);
  return success();
}

static void printAxisSet(AsmPrinter &printer, ArrayAttr axes) {
  printer << '{';
  llvm::interleave(axes.getAsRange<StringAttr>(), printer.getStream(), [&](StringAttr a) { printer << a; }, ",");
  printer << '}';
}

#define GET_ATTRDEF_CLASSES
#include "colo/Dialect/Dist/DistAttrs.cpp.inc"
#include "colo/Dialect/Dist/DistDialect.cpp.inc"
#include "colo/Dialect/Dist/DistInterfaces.cpp.inc"

Attribute ShardAttr::parse(AsmParser &parser, Type) {
  StringAttr mesh;
  SmallVector<Attribute> dims;
  ArrayAttr partial = ArrayAttr::get(parser.getContext(), {});
  ReduceKind kind = ReduceKind::Sum;
  auto parseDim = [&] {
    ArrayAttr axes;
    if (parseAxisSet(parser, axes))
      return failure();
    dims.push_back(axes);
    return success();
  };
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseSymbolName(mesh) || parser.parseComma() ||
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseDim))
    return {};
  if (succeeded(parser.parseOptionalComma())) {
    StringRef keyword;
    if (parser.parseKeyword("partial") || parser.parseEqual() || parser.parseKeyword(&keyword))
      return {};
    std::optional<ReduceKind> parsed = symbolizeReduceKind(keyword);
    if (!parsed) {
      parser.emitError(loc, "partial values are of kind sum or max, not '") << keyword << "'";
      return {};
    }
    kind = *parsed;
    if (parseAxisSet(parser, partial))
      return {};
  }
  if (parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(loc); }, parser.getContext(), FlatSymbolRefAttr::get(mesh),
                    ArrayAttr::get(parser.getContext(), dims), partial, kind);
}

void ShardAttr::print(AsmPrinter &printer) const {
  printer << '<';
  printer.printSymbolName(getMesh().getValue());
  printer << ", [";
  llvm::interleaveComma(getDims().getAsRange<ArrayAttr>(), printer.getStream(),
                        [&](ArrayAttr axes) { printAxisSet(printer, axes); });
  printer << ']';
  if (!getPartial().empty()) {
    printer << ", partial = " << stringifyReduceKind(getKind());
    printAxisSet(printer, getPartial());
  }
  printer << '>';
}

LogicalResult ShardAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError, FlatSymbolRefAttr, ArrayAttr dims,
                                ArrayAttr partial, ReduceKind) {
  llvm::StringSet<> seen;
  auto checkAll = [&](ArrayAttr axes) -> LogicalResult {
    for (Attribute axis : axes) {
      auto name = llvm::dyn_cast<StringAttr>(axis);
      if (!name)
        return emitError() << "axes are named by strings";
      if (!seen.insert(name.getValue()).second)
        return emitError() << "axis " << name << " occurs twice";
    }
    return success();
  };
  for (Attribute dim : dims) {
    auto axes = llvm::dyn_cast<ArrayAttr>(dim);
    if (!axes)
      return emitError() << "each dim has a list of axes";
    if (failed(checkAll(axes)))
      return failure();
  }
  return checkAll(partial);
}

LogicalResult ShardAttr::verifyEncoding(ArrayRef<int64_t> shape, Type,
                                        llvm::function_ref<InFlightDiagnostic()> emitError) const {
  if (getDims().size() != shape.size())
    return emitError() << "sharding of " << getDims().size() << " dims on a tensor of rank " << shape.size();
  return success();
}

namespace {
struct DistAliases : public OpAsmDialectInterface {
  using OpAsmDialectInterface::OpAsmDialectInterface;
  /// `tp_none_part`-like names: the axes of each dim, then those of the sum.
  AliasResult getAlias(Attribute attr, llvm::raw_ostream &os) const override {
    auto shard = dyn_cast<ShardAttr>(attr);
    if (!shard)
      return AliasResult::NoAlias;
    auto printAxes = [&](ArrayAttr axes, StringRef none) {
      os << '_';
      if (axes.empty())
        os << none;
      llvm::interleave(axes.getAsRange<StringAttr>(), os, [&](StringAttr a) { os << a.getValue(); }, "");
    };
    os << "s";
    for (ArrayAttr axes : shard.getDims().getAsRange<ArrayAttr>())
      printAxes(axes, "x");
    if (!shard.getPartial().empty()) {
      os << '_' << stringifyReduceKind(shard.getKind());
      printAxes(shard.getPartial(), "");
    }
    os << '_';
    return AliasResult::OverridableAlias;
  }
};
} // namespace

//===----------------------------------------------------------------------===//
// The mesh
//===----------------------------------------------------------------------===//

static ParseResult parseAxes(OpAsmParser &parser, ArrayAttr &axes, DenseI64ArrayAttr &sizes) {
  SmallVector<Attribute> names;
  SmallVector<int64_t> values;
  auto parseOne = [&] {
    std::string name;
    int64_t size;
    if (parser.parseString(&name) || parser.parseEqual() || parser.parseInteger(size))
      return failure();
    names.push_back(StringAttr::get(parser.getContext(), name));
    values.push_back(size);
    return success();
  };
  if (parser.parseLess() || parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseOne) ||
      parser.parseGreater())
    return failure();
  axes = ArrayAttr::get(parser.getContext(), names);
  sizes = DenseI64ArrayAttr::get(parser.getContext(), values);
  return success();
}

static void printAxes(OpAsmPrinter &printer, MeshOp, ArrayAttr axes, DenseI64ArrayAttr sizes) {
  printer << "<[";
  llvm::interleaveComma(llvm::zip(axes.getAsRange<StringAttr>(), sizes.asArrayRef()), printer.getStream(),
                        [&](auto axis) { printer << std::get<0>(axis) << '=' << std::get<1>(axis); });
  printer << "]>";
}

LogicalResult MeshOp::verify() {
  if (getAxes().size() != getSizes().size())
    return emitOpError("needs one size an axis");
  llvm::StringSet<> seen;
  for (auto [axis, size] : llvm::zip(getAxes().getAsRange<StringAttr>(), getSizes())) {
    if (!seen.insert(axis.getValue()).second)
      return emitOpError("axis ") << axis << " occurs twice";
    if (size < 1)
      return emitOpError("axis ") << axis << " needs a size of at least 1, not " << size;
  }
  for (StringAttr axis : getZigzag().value_or(ArrayAttr::get(getContext(), {})).getAsRange<StringAttr>())
    if (!seen.contains(axis.getValue()))
      return emitOpError("names axis ") << axis << ", which it does not have, as zigzag";
  return success();
}

//===----------------------------------------------------------------------===//
// Collectives
//===----------------------------------------------------------------------===//

namespace {
/// What is verified alike for all collectives.
struct Collective {
  Operation *op;
  Mesh mesh;
  Axes axes;
  int64_t group = 1;

  RankedTensorType inputType(unsigned i = 0) const { return cast<RankedTensorType>(op->getOperand(i).getType()); }
  RankedTensorType resultType(unsigned i = 0) const { return cast<RankedTensorType>(op->getResult(i).getType()); }
};
} // namespace

static FailureOr<Collective> lookUp(Operation *op, SymbolTableCollection &symbols, FlatSymbolRefAttr meshName,
                                    ArrayAttr axes) {
  auto meshOp = symbols.lookupNearestSymbolFrom<MeshOp>(op, meshName);
  if (!meshOp)
    return op->emitOpError("names no mesh: ") << meshName;
  Collective collective{op, Mesh::of(meshOp), {}};
  for (StringAttr name : axes.getAsRange<StringAttr>()) {
    std::optional<int> axis = collective.mesh.find(name.getValue());
    if (!axis)
      return op->emitOpError("names axis ") << name << ", which " << meshName << " does not have";
    if (llvm::is_contained(collective.axes, *axis))
      return op->emitOpError("names axis ") << name << " twice";
    collective.axes.push_back(*axis);
  }
  if (collective.axes.empty())
    return op->emitOpError("needs an axis");
  collective.group = collective.mesh.groupSize(collective.axes);
  return collective;
}

/// Checks one operand and result in global form against `step`.
static LogicalResult verifyGlobal(const Collective &c, Step step, unsigned i = 0) {
  std::optional<Sharding> input = shardingOf(c.inputType(i), c.mesh), result = shardingOf(c.resultType(i), c.mesh);
  if (!input || !result)
    return c.op->emitOpError("has a sharding with an axis that the mesh does not have");
  if (c.inputType(i).getShape() != c.resultType(i).getShape())
    return c.op->emitOpError("in global form keeps the shape");
  if (!divides(*input, c.inputType(i).getShape(), c.mesh) || !divides(*result, c.inputType(i).getShape(), c.mesh))
    return c.op->emitOpError("cuts a dim into parts of unequal size");
  step.result = *result;
  std::optional<Sharding> expected = apply(step, *input);
  if (!expected)
    return c.op->emitOpError("does not apply to ") << c.inputType(i);
  if (*expected != *result)
    return c.op->emitOpError("gives ") << withSharding(c.resultType(i), *expected, c.mesh) << ", not "
                                       << c.resultType(i);
  return success();
}

/// Checks the shapes of one operand and result in local form: `dim` times
/// `grow`, `from` times `growFrom`, where a negative factor divides.
static LogicalResult verifyLocal(const Collective &c, int64_t dim, int64_t grow, int64_t from = -1,
                                 int64_t growFrom = 1, unsigned i = 0) {
  SmallVector<int64_t> shape(c.inputType(i).getShape());
  auto scale = [&](int64_t d, int64_t factor) {
    if (d < 0 || d >= static_cast<int64_t>(shape.size()) || (factor < 0 && shape[d] % -factor != 0))
      return false;
    shape[d] = factor < 0 ? shape[d] / -factor : shape[d] * factor;
    return true;
  };
  bool scales = (grow == 1 || scale(dim, grow)) && (growFrom == 1 || scale(from, growFrom));
  if (!scales)
    return c.op->emitOpError("has a dim that is not there, or not a multiple of its group's ") << c.group << " members";
  if (ArrayRef<int64_t>(shape) != c.resultType(i).getShape())
    return c.op->emitOpError("gives ") << withShape(c.inputType(i), shape) << ", not " << c.resultType(i);
  return success();
}

static bool isGlobal(Operation *op) {
  auto isEncoded = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && isa_and_nonnull<ShardAttr>(tensor.getEncoding());
  };
  return llvm::any_of(op->getOperandTypes(), isEncoded) || llvm::any_of(op->getResultTypes(), isEncoded);
}

LogicalResult AllGatherOp::verifySymbolUses(SymbolTableCollection &symbols) {
  FailureOr<Collective> c = lookUp(*this, symbols, getMeshAttr(), getAxes());
  if (failed(c))
    return failure();
  int dim = static_cast<int>(getDim());
  return isGlobal(*this) ? verifyGlobal(*c, {StepKind::AllGather, c->axes, -1, dim, {}})
                         : verifyLocal(*c, dim, c->group);
}

static LogicalResult verifyBlocks(AllSliceOp op, int64_t members) {
  SmallVector<int64_t> shape(op.getInput().getType().getShape());
  ArrayRef<int64_t> result = op.getResult().getType().getShape();
  size_t dim = op.getDim();
  if (dim >= shape.size() || result.size() != shape.size() || shape[dim] % result[dim] != 0)
    return op.emitOpError("has a dim that is not there, or that its result's does not divide");
  int64_t count = shape[dim] / result[dim];
  shape[dim] = result[dim];
  if (ArrayRef<int64_t>(shape) != result)
    return op.emitOpError("keeps all dims but ") << dim;
  if (static_cast<int64_t>(op.getBlocks()->size()) != members)
    return op.emitOpError("names ") << op.getBlocks()->size() << " blocks for a group of " << members;
  for (int64_t block : op.getBlocksAttr().asArrayRef())
    if (block < 0 || block >= count)
      return op.emitOpError("names block ") << block << " of " << count;
  return success();
}

LogicalResult AllSliceOp::verifySymbolUses(SymbolTableCollection &symbols) {
  FailureOr<Collective> c = lookUp(*this, symbols, getMeshAttr(), getAxes());
  if (failed(c))
    return failure();
  int dim = static_cast<int>(getDim());
  if (isGlobal(*this))
    return verifyGlobal(*c, {StepKind::AllSlice, c->axes, -1, dim, {}});
  return getBlocks() ? verifyBlocks(*this, c->group) : verifyLocal(*c, dim, -c->group);
}

LogicalResult AllReduceOp::verifySymbolUses(SymbolTableCollection &symbols) {
  FailureOr<Collective> c = lookUp(*this, symbols, getMeshAttr(), getAxes());
  if (failed(c))
    return failure();
  if (getInputs().empty() || getInputs().size() != getOutputs().size())
    return emitOpError("needs one result an operand, and at least one");
  for (unsigned i = 0; i < getInputs().size(); ++i) {
    if (isGlobal(*this)) {
      std::optional<Sharding> input = shardingOf(c->inputType(i), c->mesh);
      if (input && input->kind != getKind())
        return emitOpError("reduces by another kind than its operand is partial of");
      if (failed(verifyGlobal(*c, {StepKind::AllReduce, c->axes, -1, -1, {}}, i)))
        return failure();
    } else if (failed(verifyLocal(*c, -1, 1, -1, 1, i))) {
      return failure();
    }
  }
  return success();
}

LogicalResult ReduceScatterOp::verifySymbolUses(SymbolTableCollection &symbols) {
  FailureOr<Collective> c = lookUp(*this, symbols, getMeshAttr(), getAxes());
  if (failed(c))
    return failure();
  int dim = static_cast<int>(getDim());
  if (!isGlobal(*this))
    return verifyLocal(*c, dim, -c->group);
  std::optional<Sharding> input = shardingOf(c->inputType(), c->mesh);
  if (input && input->kind != getKind())
    return emitOpError("reduces by another kind than its operand is partial of");
  return verifyGlobal(*c, {StepKind::ReduceScatter, c->axes, -1, dim, {}});
}

LogicalResult AllToAllOp::verifySymbolUses(SymbolTableCollection &symbols) {
  FailureOr<Collective> c = lookUp(*this, symbols, getMeshAttr(), getAxes());
  if (failed(c))
    return failure();
  int from = static_cast<int>(getFrom()), dim = static_cast<int>(getDim());
  if (from == dim)
    return emitOpError("needs two dims");
  return isGlobal(*this) ? verifyGlobal(*c, {StepKind::AllToAll, c->axes, from, dim, {}})
                         : verifyLocal(*c, dim, -c->group, from, c->group);
}

LogicalResult PermuteOp::verifySymbolUses(SymbolTableCollection &symbols) {
  FailureOr<Collective> c = lookUp(*this, symbols, getMeshAttr(), getAxes());
  if (failed(c))
    return failure();
  if (static_cast<int64_t>(getSources().size()) != c->group)
    return emitOpError("names ") << getSources().size() << " sources for a group of " << c->group;
  SmallVector<bool> seen(c->group);
  for (int64_t source : getSources()) {
    if (source < 0 || source >= c->group || seen[source])
      return emitOpError("needs each member of the group once as a source");
    seen[source] = true;
  }
  if (!isGlobal(*this))
    return verifyLocal(*c, -1, 1);
  if (failed(verifyGlobal(*c, {StepKind::Permute, c->axes, -1, -1, {}})))
    return failure();
  if (llvm::any_of(c->axes, [&](int axis) { return c->mesh.isZigzag(axis); }))
    return emitOpError("cannot give the parts of a zigzag axis to another");
  Sharding from = *shardingOf(c->inputType(), c->mesh), to = *shardingOf(c->resultType(), c->mesh);
  if (permutedAxes(from, to, c->mesh) != c->axes ||
      permuteSources(from, to, c->axes, c->mesh) != SmallVector<int64_t>(getSources()))
    return emitOpError("does not bring every member the part that the result's sharding says");
  return success();
}

/// What is verified alike for collectives with a root: `part` is that member's part of `dim` of `whole`, in global
/// form.
static LogicalResult verifyRoot(const Collective &c, int64_t dim, int64_t root, Value round, RankedTensorType whole,
                                RankedTensorType part) {
  int64_t last = root;
  if (round) {
    auto loop = dyn_cast<LoopOp>(c.op->getParentOp());
    if (!loop || loop.round() != round)
      return c.op->emitOpError("adds to its root what is not the round of the loop around it");
    last += static_cast<int64_t>(loop.getCount()) - 1;
  }
  if (root < 0 || last >= c.group)
    return c.op->emitOpError("has root ") << (root < 0 ? root : last) << " in a group of " << c.group;
  if (dim < 0 || dim >= whole.getRank())
    return c.op->emitOpError("has no dim ") << dim << " in " << whole;
  if (!isGlobal(c.op))
    return part == whole ? success() : c.op->emitOpError("gives ") << whole << " from " << part;
  std::optional<Sharding> sharding = shardingOf(whole, c.mesh), expected = shardingOf(part, c.mesh);
  if (!sharding || !expected)
    return c.op->emitOpError("has a sharding with an axis that the mesh does not have");
  if (sharding->dims[dim] != c.axes || whole.getDimSize(dim) % c.group != 0)
    return c.op->emitOpError("needs dim ") << dim << " of " << whole << " cut over its axes alone";
  sharding->dims[dim].clear();
  SmallVector<int64_t> shape(whole.getShape());
  shape[dim] /= c.group;
  if (part.getShape() != ArrayRef(shape) || part.getElementType() != whole.getElementType() ||
      sharding->complete() != expected->complete())
    return c.op->emitOpError("takes ") << part << " for a part of dim " << dim << " of " << whole;
  return success();
}

LogicalResult dist::BroadcastOp::verifySymbolUses(SymbolTableCollection &symbols) {
  FailureOr<Collective> c = lookUp(*this, symbols, getMeshAttr(), getAxes());
  if (failed(c))
    return failure();
  if (failed(verifyRoot(*c, getDim(), getRoot(), getRound(), c->inputType(), c->resultType())))
    return failure();
  if (isGlobal(*this) && shardingOf(c->inputType(), c->mesh)->partial != shardingOf(c->resultType(), c->mesh)->partial)
    return emitOpError("keeps what its operand is partial over");
  return success();
}

LogicalResult dist::ReduceOp::verifySymbolUses(SymbolTableCollection &symbols) {
  FailureOr<Collective> c = lookUp(*this, symbols, getMeshAttr(), getAxes());
  if (failed(c) || failed(verifyRoot(*c, getDim(), getRoot(), getRound(), c->resultType(), c->inputType())))
    return failure();
  if (getInto() && getInto().getType() != c->resultType())
    return emitOpError("gives ") << c->resultType() << " into " << getInto().getType();
  if (!isGlobal(*this))
    return success();
  Sharding input = *shardingOf(c->inputType(), c->mesh), left = input;
  left.removePartial(c->axes);
  if (input.kind != getKind() || left.partial.size() + c->axes.size() != input.partial.size())
    return emitOpError("needs an operand that is partial of its kind over its axes, not ") << c->inputType();
  if (left.partial != shardingOf(c->resultType(), c->mesh)->partial)
    return emitOpError("keeps what its operand is partial over beside its axes");
  return success();
}

LogicalResult WaitOp::verify() {
  Operation *maker = getInputs().empty() ? nullptr : getInputs().front().getDefiningOp();
  if (!isa_and_nonnull<CollectiveOpInterface>(maker))
    return emitOpError("needs the results of a collective");
  if (!llvm::equal(getInputs(), maker->getResults()) || getInputs().getTypes() != getOutputs().getTypes())
    return emitOpError("needs all results of one collective, and gives them");
  for (Operation *user : maker->getUsers())
    if (user != getOperation())
      return (emitOpError("is not the only one that reads what is in flight").attachNote(user->getLoc())
              << "it is read here");
  return success();
}

LogicalResult ReshardOp::verify() {
  if (getInput().getType().getShape() != getResult().getType().getShape() ||
      getInput().getType().getElementType() != getResult().getType().getElementType())
    return emitOpError("keeps shape and element type");
  return success();
}

#define GET_OP_CLASSES
#include "colo/Dialect/Dist/DistOps.cpp.inc"

LogicalResult DistDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  if (attribute.getName() != kAlgorithmAttr)
    return op->emitOpError("has an attribute that the dist dialect does not know: ") << attribute.getName();
  auto name = dyn_cast<StringAttr>(attribute.getValue());
  if (!isa<EinsumOp>(op) || !name || name.getValue() != "summa")
    return op->emitOpError("has algorithm ") << attribute.getValue() << "; legal is \"summa\" on a colo.einsum";
  return success();
}

void DistDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "colo/Dialect/Dist/DistAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "colo/Dialect/Dist/DistOps.cpp.inc"
      >();
  addInterfaces<DistAliases>();
}
