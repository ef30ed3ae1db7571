//===- SplitBackward.cpp - input and weight gradients apart -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SplitBackward.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace colo;
using namespace colo::pipe;

/// On a call or run that only adds gradients of parameters (unit).
static constexpr llvm::StringLiteral kWeightsAttr = "pipe.weights";

llvm::DenseSet<Operation *> pipe::weightGradientOps(Block &block) {
  llvm::DenseSet<Operation *> ops;
  for (Operation &op : llvm::reverse(block)) {
    auto isWeight = [&](Operation *user) { return ops.contains(user); };
    if (isa<GradOp>(op) || op.hasAttr(kWeightsAttr) ||
        (isPure(&op) && op.getNumResults() && !op.use_empty() && !isa<ParamRefOp>(op) &&
         llvm::all_of(op.getUsers(), isWeight)))
      ops.insert(&op);
  }
  return ops;
}

namespace {

/// The halves of one function, for calls that see its arguments alike.
class FunctionSplitter {
public:
  FunctionSplitter(func::FuncOp source, unsigned carried) : source(source), carried(carried) {
    weights = weightGradientOps(source.front());
  }

  bool isWorthIt() const { return !weights.empty(); }
  void run(SymbolTable &symbols);

  func::FuncOp input, weight;
  llvm::SetVector<Value> kept; ///< further results of `input`, further arguments of `weight`

private:
  /// Arguments that a run of layers hands to each half again.
  bool isPassed(BlockArgument argument) const { return argument.getArgNumber() >= carried; }
  bool isRecomputed(Value value) const;
  void need(Value value);
  void buildInput();
  void buildWeight();

  func::FuncOp source;
  unsigned carried;
  llvm::DenseSet<Operation *> weights;
};

} // namespace

/// Elementwise, views and constants of what both halves are given.
bool FunctionSplitter::isRecomputed(Value value) const {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return isPassed(argument);
  Operation *op = value.getDefiningOp();
  if (!isa<RearrangingOpInterface, ConstantOp, IotaOp, InverseCountOp, DropoutOp, ScalarBodyOpInterface>(op))
    return false;
  return llvm::all_of(op->getOperands(), [&](Value operand) { return isRecomputed(operand); });
}

void FunctionSplitter::need(Value value) {
  Operation *op = value.getDefiningOp();
  if ((op && weights.contains(op)) || isRecomputed(value))
    return;
  kept.insert(value);
}

static func::FuncOp createBeside(func::FuncOp source, StringRef suffix, TypeRange arguments, TypeRange results) {
  auto func = func::FuncOp::create(source.getLoc(), (source.getSymName() + suffix).str(),
                                   FunctionType::get(source.getContext(), arguments, results));
  func.setPrivate();
  func.addEntryBlock();
  return func;
}

void FunctionSplitter::buildInput() {
  SmallVector<Value> returned(source.front().getTerminator()->getOperands());
  llvm::append_range(returned, kept);
  input = createBeside(source, ".I", source.getArgumentTypes(), TypeRange(ValueRange(returned)));
  for (unsigned i = 0; i < source.getNumArguments(); ++i)
    input.setArgAttrs(i, source.getArgAttrDict(i));
  IRMapping mapping;
  mapping.map(source.getArguments(), input.getArguments());
  OpBuilder builder = OpBuilder::atBlockEnd(&input.front());
  for (Operation &op : source.front().without_terminator())
    if (!weights.contains(&op))
      builder.clone(op, mapping);
  for (Value &value : returned)
    value = mapping.lookup(value);
  builder.create<func::ReturnOp>(source.getLoc(), returned);
}

static Value materialize(Value value, OpBuilder &builder, IRMapping &mapping) {
  if (!mapping.contains(value)) {
    for (Value operand : value.getDefiningOp()->getOperands())
      materialize(operand, builder, mapping);
    builder.clone(*value.getDefiningOp(), mapping);
  }
  return mapping.lookup(value);
}

/// Arguments: the source's but for carried ones and parameters, then what is kept, then parameters.
void FunctionSplitter::buildWeight() {
  SmallVector<Value> sources;
  unsigned params = 0;
  for (BlockArgument argument : source.getArguments()) {
    if (source.getArgAttr(argument.getArgNumber(), kParamArgAttr))
      ++params;
    else if (isPassed(argument))
      sources.push_back(argument);
  }
  llvm::append_range(sources, kept);
  unsigned first = sources.size();
  llvm::append_range(sources, source.getArguments().take_back(params));
  weight = createBeside(source, ".W", TypeRange(ValueRange(sources)), {});
  for (unsigned i = 0; i < params; ++i)
    weight.setArgAttrs(first + i, source.getArgAttrDict(source.getNumArguments() - params + i));
  IRMapping mapping;
  mapping.map(ValueRange(sources), weight.getArguments());
  OpBuilder builder = OpBuilder::atBlockEnd(&weight.front());
  for (Operation &op : source.front()) {
    if (!weights.contains(&op))
      continue;
    for (Value operand : op.getOperands())
      materialize(operand, builder, mapping);
    builder.clone(op, mapping);
  }
  builder.create<func::ReturnOp>(source.getLoc());
}

void FunctionSplitter::run(SymbolTable &symbols) {
  for (Operation &op : source.front())
    if (weights.contains(&op))
      for (Value operand : op.getOperands())
        need(operand);
  buildInput();
  buildWeight();
  Block::iterator after = std::next(Block::iterator(source));
  symbols.insert(input, after);
  symbols.insert(weight, after);
}

static RankedTensorType stackedType(Type slice, int64_t count) {
  SmallVector<int64_t> shape{count};
  llvm::append_range(shape, cast<RankedTensorType>(slice).getShape());
  return withShape(slice, shape);
}

static void splitLayers(LayersOp op, FunctionSplitter &halves) {
  OpBuilder builder(op);
  SmallVector<Type> stacked(op.getStackedOut().getTypes());
  for (Value value : halves.kept)
    stacked.push_back(stackedType(value.getType(), op.getCount()));
  auto input =
      builder.create<LayersOp>(op.getLoc(), op.getCarriedOut().getTypes(), op.getAccumulated().getTypes(), stacked,
                               halves.input.getSymName(), op.getCarried(), op.getInvariants(), op.getStacked(),
                               op.getParams(), op.getCount(), op.getFirstLayer(), op.getReverse());
  SmallVector<Value> read(op.getStacked());
  llvm::append_range(read, input.getStackedOut().take_back(halves.kept.size()));
  auto weight = builder.create<LayersOp>(op.getLoc(), TypeRange(), TypeRange(), TypeRange(), halves.weight.getSymName(),
                                         ValueRange(), op.getInvariants(), read, op.getParams(), op.getCount(),
                                         op.getFirstLayer(), op.getReverse());
  weight->setAttr(kWeightsAttr, builder.getUnitAttr());
  op->replaceAllUsesWith(input->getResults().take_front(op->getNumResults()));
  op.erase();
}

static void splitCall(CallOp op, FunctionSplitter &halves) {
  OpBuilder builder(op);
  SmallVector<Type> types(op->getResultTypes());
  for (Value value : halves.kept)
    types.push_back(value.getType());
  auto input = builder.create<CallOp>(op.getLoc(), types, halves.input.getSymName(), op.getInputs(), op.getParams(),
                                      op.getLayer());
  SmallVector<Value> read(op.getInputs());
  llvm::append_range(read, input->getResults().take_back(halves.kept.size()));
  auto weight =
      builder.create<CallOp>(op.getLoc(), TypeRange(), halves.weight.getSymName(), read, op.getParams(), op.getLayer());
  weight->setAttr(kWeightsAttr, builder.getUnitAttr());
  op->replaceAllUsesWith(input->getResults().take_front(op->getNumResults()));
  op.erase();
}

void pipe::splitBackwardCalls(func::FuncOp entry) {
  SymbolTable symbols(entry->getParentOfType<ModuleOp>());
  std::map<std::pair<std::string, unsigned>, std::unique_ptr<FunctionSplitter>> known;
  for (Operation &op : llvm::make_early_inc_range(entry.front())) {
    auto layers = dyn_cast<LayersOp>(op);
    if (!layers && !isa<CallOp>(op))
      continue;
    StringRef callee = layers ? layers.getCallee() : cast<CallOp>(op).getCallee();
    unsigned carried = layers ? layers.getCarried().size() : 0;
    auto &halves = known[{callee.str(), carried}];
    if (!halves) {
      halves = std::make_unique<FunctionSplitter>(symbols.lookup<func::FuncOp>(callee), carried);
      if (halves->isWorthIt())
        halves->run(symbols);
    }
    if (!halves->isWorthIt())
      continue;
    if (layers)
      splitLayers(layers, *halves);
    else
      splitCall(cast<CallOp>(op), *halves);
  }
}
